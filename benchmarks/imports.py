"""What it costs to import the package and to ask for help."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

REPETITIONS = 20


def run() -> list[tuple[str, str, str]]:
    """Milliseconds; the interpreter's own start is measured beside them and taken off the import."""
    bare_ms = _median_ms([sys.executable, "-c", "pass"])
    import_ms = _median_ms([sys.executable, "-c", "import drivetrain"])
    help_ms = _median_ms([sys.executable, "-m", "drivetrain", "--help"])
    return [
        ("import drivetrain, over a bare interpreter", f"{import_ms - bare_ms:.1f} ms", "at most 50 ms"),
        ("drivetrain --help, whole process", f"{help_ms:.0f} ms (bare interpreter {bare_ms:.0f})", "under 200 ms"),
    ]


def _median_ms(command: list[str]) -> float:
    times_ms = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, timeout=60)
        times_ms.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times_ms)
