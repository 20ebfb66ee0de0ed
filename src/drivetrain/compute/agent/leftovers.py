"""What a job's processes leave running: found, and ended, so that nothing is left on a device that another job gets."""

from __future__ import annotations

import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MARK = "DRIVETRAIN_AGENT"
"""Variable of an agent and of all that it starts: whose they are."""
_LOOK_AGAIN_S = 0.02


def end_descendants(grace_s: float) -> None:
    """Have all end that came from this process, which must be the one that adopts orphans; killed after the grace."""
    kill_at_s = time.monotonic() + grace_s
    told: set[int] = set()
    while _has_children():
        is_late = time.monotonic() >= kill_at_s
        for pid in descendants(os.getpid()):
            if is_late or pid not in told:
                told.add(pid)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL if is_late else signal.SIGTERM)
        time.sleep(_LOOK_AGAIN_S)


def marked() -> dict[str, list[int]]:
    """Of each agent, its process and those that came from it, however they came to be elsewhere."""
    found = defaultdict(list)
    mark = f"{MARK}=".encode()
    for folder in _processes():
        with suppress(OSError):
            for variable in (folder / "environ").read_bytes().split(b"\0"):
                if variable.startswith(mark):
                    found[variable.removeprefix(mark).decode(errors="replace")].append(int(folder.name))
                    break
    return found


def _has_children() -> bool:
    """Whether there are any; those that have ended are buried."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def descendants(pid: int) -> list[int]:
    """All that came from a process and are not orphans of others."""
    children = defaultdict(list)
    for folder in _processes():
        with suppress(OSError, ValueError, IndexError):
            parent = (folder / "stat").read_bytes().rpartition(b")")[2].split()[1]
            children[int(parent)].append(int(folder.name))
    found = list(children[pid])
    for each in found:
        found += children[each]
    return found


def _processes() -> Iterator[Path]:
    return (path for path in Path("/proc").iterdir() if path.name.isdecimal())
