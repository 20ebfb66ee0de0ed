"""Whether a job's processes use what they hold: accelerators where they see some, else cores."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from drivetrain.compute.agent.leftovers import descendants

_EVERY_S = 15.0
_BUSY_CORES = 0.1
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_TIMES = slice(11, 15)  # of /proc/PID/stat after the name: utime, stime, cutime, cstime
_PATIENCE_S = 10.0


class DeviceUse:
    """Looks now and then; what was seen last holds until then.

    Args:
      clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked_s, self._cpu_s = clock(), _cpu_s()
        self._is_busy = False

    def is_busy(self) -> bool:
        """Whether, at the last look, accelerators were at work, or a tenth of a core had been since the one before."""
        now_s = self._clock()
        took_s = now_s - self._looked_s
        if took_s >= _EVERY_S:
            cpu_s = _cpu_s()
            by_gpu = _gpus_are_busy()
            self._is_busy = (cpu_s - self._cpu_s) / took_s >= _BUSY_CORES if by_gpu is None else by_gpu
            self._looked_s, self._cpu_s = now_s, cpu_s
        return self._is_busy


def _cpu_s() -> float:
    """Of all that came from this process, and of those of it that have ended."""
    ticks = 0
    for pid in descendants(os.getpid()):
        with suppress(OSError, ValueError):
            ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[_TIMES]))
    ended = os.times()
    return ticks / _TICKS_PER_S + ended.children_user + ended.children_system


def _gpus_are_busy() -> bool | None:
    """Of the accelerators that ranks see, by NVIDIA's own tool; None where there are none, or it does not say."""
    devices = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if not devices:
        return None
    import subprocess

    command = ["nvidia-smi", f"--id={devices}", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=True).stdout
        return any(int(line) > 0 for line in told.split())
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
