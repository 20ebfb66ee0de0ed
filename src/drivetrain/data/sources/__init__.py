"""Readers of drive logs, one file per format, found by looking at the folder or file.

synth.py       a drive we generate, with exact truth (scene.py what is where, raycast.py what is seen, paint.py colours,
               faults.py what goes wrong)
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
import itertools
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
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

_MOST_NAMED, _MOST_LOOKED, _DEEPEST = 3, 200, 3


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
    if not path.exists():
        hints = ["give a folder or file, or `synth` for a generated drive", *why_not_plugins]
        raise DataError(f"there is no log at {path}", hint="; ".join(hints))
    if inside := list(itertools.islice(_logs_in(path), _MOST_NAMED)):
        raise DataError(f"{path} is no log, but logs are in it", hint=f"open {', or '.join(map(str, inside))}")
    raise DataError(f"no reader takes {path}", hint="; ".join(refusals + why_not_plugins))


def _logs_in(folder: Path) -> Iterator[Path]:
    """What readers of ours take, in a folder and its folders to some depth; not what is within a log."""
    num_looked = 0
    pending = deque([(folder, 0)])
    while pending:
        path, depth = pending.popleft()
        for each in _entries(path):
            num_looked += 1
            if num_looked > _MOST_LOOKED:
                return
            if not all(importlib.import_module(module).recognise(each) for module in _SOURCES.values()):
                yield each
            elif depth < _DEEPEST:
                pending.append((each, depth + 1))


def _entries(path: Path) -> list[Path]:
    with suppress(OSError):  # a file, or a folder that may not be looked into
        return sorted(path.iterdir())
    return []
