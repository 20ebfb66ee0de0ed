"""`warm_cli.py ADDRESS ...`: the command `drivetrain`, whose launcher's nursery is a fork of one that is warm."""

from __future__ import annotations

import functools
import sys

from drivetrain.cli.main import main
from drivetrain.launch import local
from warm_nursery import warm_nursery

if __name__ == "__main__":
    local.NurseryProcess = functools.partial(warm_nursery, sys.argv.pop(1))  # type: ignore[assignment, misc]
    sys.exit(main())
