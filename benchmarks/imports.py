"""What it costs to import the package and to ask for help."""

from __future__ import annotations

import subprocess
import sys
import time

NUM_SAMPLES = 20


def bench_start() -> dict[str, float]:
    """Whole processes; the interpreter's own start is measured beside them and taken off the import."""
    bare_s = _seconds([sys.executable, "-c", "pass"])
    import_s = _seconds([sys.executable, "-c", "import drivetrain"])
    help_s = _seconds([sys.executable, "-m", "drivetrain", "--help"])
    return {"bare_s": bare_s, "added_by_import_s": import_s - bare_s, "help_s": help_s}


def _seconds(command: list[str]) -> float:
    began_s = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, timeout=60)
    return time.perf_counter() - began_s
