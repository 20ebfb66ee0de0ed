"""What decides, beside the code, how long something takes: cores, load, clocks, thread counts."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from drivetrain.bench.suites.counters import can_count
from drivetrain.core import environment

_LOOK_S = 0.1
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def describe(cores: Sequence[int]) -> dict[str, str]:
    """Versions, processor and commit as `core.environment` has them, with what changes from hour to hour.

    Args:
      cores: that samples are pinned to; empty where they are not.
    """
    found = environment.capture()
    for name in ("commit", "executable"):  # each result has the commit it measured; a path says nothing of speed
        found.pop(name, None)
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    found |= {"load": load, "pinned_to": ",".join(map(str, cores)) or "no core"}
    found |= {name: os.environ[name] for name in _THREADS if name in os.environ}
    clocks = _clocks_mhz()
    if clocks:
        found["clock_mhz"] = f"{min(clocks):.0f} to {max(clocks):.0f}"
    with suppress(OSError):
        found["governor"] = _GOVERNOR.read_text(encoding="ascii").strip()
    with suppress(OSError):
        memory = Path("/proc/meminfo").read_text(encoding="ascii").split()
        found["memory_bytes"] = str(1024 * int(memory[1]))
    found["instructions"] = "counted" if can_count() else "not counted: this machine has no counter for us"
    return found


def idlest(num_cores: int) -> tuple[int, ...]:
    """Those cores of ours that have idled most in the last moment; none where so many are all that we have."""
    allowed = os.sched_getaffinity(0)
    if num_cores <= 0 or num_cores >= len(allowed):
        return ()
    before = _idle_ticks()
    time.sleep(_LOOK_S)
    after = _idle_ticks()
    idle = {core: after.get(core, 0) - before.get(core, 0) for core in allowed}
    return tuple(sorted(sorted(allowed, key=lambda core: (-idle[core], -core))[:num_cores]))


def _idle_ticks() -> dict[int, int]:
    found: dict[int, int] = {}
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        words = line.split()
        if words and words[0].startswith("cpu") and words[0] != "cpu":
            found[int(words[0].removeprefix("cpu"))] = int(words[4])
    return found


def _clocks_mhz() -> list[float]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
