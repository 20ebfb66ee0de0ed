"""Readers of drive logs, one file per format, found by looking at the folder.

synth.py      a drive we generate, with exact truth (scene.py what is where, raycast.py what is seen, paint.py colours)
pandaset.py   a PandaSet sequence: JSON, JPEG, and parquet or the published pickles (pickles.py opens them safely)

A reader's module offers `recognise(path) -> str` (why it cannot read this, or an empty string) and `open_log(path)`.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from drivetrain.core.errors import DataError
from drivetrain.data.log import Log

_SOURCES = {"synth": "drivetrain.data.sources.synth", "pandaset": "drivetrain.data.sources.pandaset"}


def open_log(path: Path | str) -> Log:
    """Open a drive log: a folder in a format we know, `synth` for a small generated drive, or a TOML file of one.

    Raises:
      DataError: there is no such folder, or no reader takes it (each says why), or a file in it is wrong.
      ConfigError: the TOML file describes no `SynthSpec`; an unknown key is named with the nearest valid one.
    """
    path = Path(path)
    refusals = []
    for name, module in _SOURCES.items():
        source = importlib.import_module(module)
        why_not: str = source.recognise(path)
        if not why_not:
            log: Log = source.open_log(path)
            return log
        refusals.append(f"{name}: {why_not}")
    what = "no reader takes" if path.exists() else "there is no log at"
    raise DataError(f"{what} {path}", hint="; ".join(refusals))
