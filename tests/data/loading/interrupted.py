"""Iterates over a loader until Ctrl-C; says when it is in the middle of an epoch."""

from __future__ import annotations

import sys

from drivetrain.data import ImageSize, Loader


def main() -> None:
    """`interrupted.py DATASET WHERE`: interrupted while waiting for a batch, or while using one."""
    loader = Loader(sys.argv[1], global_batch=16, threads=3, size=ImageSize(800, 600))
    for number, _ in enumerate(loader):
        if number == 3:
            print("in the middle", flush=True)
        while sys.argv[2] == "using" and number >= 3:
            pass


if __name__ == "__main__":
    main()
