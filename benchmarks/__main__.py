"""Measure all benchmarks, or the named ones, record them, and make RESULTS.md: `python -m benchmarks [NAME...]`.

With `--results` nothing is measured. Each is a suite of `drivetrain bench run`.
"""

from __future__ import annotations

import subprocess
import sys

from benchmarks.page import FOLDER, HISTORY, PAGE, page
from benchmarks.rows import SECTIONS

GPU_NAMES = ("mfu",)  # run by `make bench-gpu`, besides those that use a GPU where there is one
NAMES = tuple(name for name in SECTIONS if name not in GPU_NAMES)


def main() -> int:
    words = sys.argv[1:]
    names = [] if words == ["--results"] else words or list(NAMES)
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        print(f"error: no benchmark {unknown[0]}; there are {', '.join(SECTIONS)}", file=sys.stderr)
        return 2
    codes = [_measure(name) for name in names]
    PAGE.write_text(page(), encoding="utf-8")
    print(f"made {PAGE}", file=sys.stderr)
    return max(codes, default=0)


def _measure(name: str) -> int:
    """Measure and record one; what fails in it is named, and the others go on."""
    command = [
        sys.executable,
        "-m",
        "drivetrain",
        "bench",
        "run",
        str(FOLDER / f"{name}.py"),
        "--history",
        str(HISTORY),
    ]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
