"""Readers of drive logs, one file per format, found by looking at the folder or file.

synth.py       a drive we generate, with exact truth (scene.py what is where, raycast.py what is seen, paint.py colours)
pandaset.py    a PandaSet sequence: JSON, JPEG, and parquet or the published pickles (pickles.py opens them safely)
comma2k19.py   a minute of comma2k19: CAN decoded by a table (signals.py), a phone's sensors, radar, poses
commonroad.py  CommonRoad scenarios: tracks and lanes of XML (elements.py reads it safely)
nuscenes.py    a scene of nuScenes (nuscenes_tables.py its tables)
av2.py         a log of Argoverse 2's sensor data set (av2_map.py its lanes)
video.py       a video file as a camera
mcap.py        an MCAP file (mcap_records.py, mcap_chunk.py, mcap_summary.py, mcap_index.py where messages are)
rosbag2.py     a ROS 2 bag: a folder of MCAP or SQLite files (bag_db3.py), or one .db3
               both: topics.py topics -> streams, meanings.py types -> kinds, pixels.py and scenes.py values -> ours,
               cdr.py, ros2msg.py, standard.py and protobuf.py bytes -> values, cache.py what was read last

files.py       what readers of folders share; rigid.py poses seen through poses
plugins.py     readers that other packages bring

A reader's module offers `recognise(path) -> str` (why it cannot read this, or an empty string; looks at names, not at
content) and `open_log(path)`. A package of your own adds one with an entry point of the group `drivetrain.sources`.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import cast

from drivetrain.core.errors import DataError
from drivetrain.data.log import Log
from drivetrain.data.sources.plugins import Source, open_with_plugin

_SOURCES = {
    name: f"drivetrain.data.sources.{name}"
    for name in ("synth", "pandaset", "comma2k19", "commonroad", "nuscenes", "av2", "video", "mcap", "rosbag2")
}
"""Readers of ours, in the order in which they are asked -> where they are."""


def open_log(path: Path | str) -> Log:
    """Open a drive log: a folder or file in a format we know, `synth` for a small generated drive, or a TOML of one.

    Readers of ours are asked first, then those that installed packages bring.

    Raises:
      DataError: there is no such folder, or no reader takes it (each says why), or a file in it is wrong.
      ConfigError: the TOML file describes no `SynthSpec`; an unknown key is named with the nearest valid one.
    """
    path = Path(path)
    refusals = []
    for name, module in _SOURCES.items():
        source = cast(Source, importlib.import_module(module))
        why_not = source.recognise(path)
        if not why_not:
            return source.open_log(path)
        refusals.append(f"{name}: {why_not}")
    log, why_not_plugins = open_with_plugin(path)
    if log is not None:
        return log
    what = "no reader takes" if path.exists() else "there is no log at"
    raise DataError(f"{what} {path}", hint="; ".join(refusals + why_not_plugins))
