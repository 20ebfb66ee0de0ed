"""Runs one sample in a process of its own and lets nothing of it live on: `python guard.py ORDER END`.

A script that stands alone: it imports nothing of ours. It adopts what the sample leaves behind, also what has left the
sample's session, so that all of it can be ended. When this process is killed, the sample is too.

Contract:
  1. The sample has a session of its own, its limits, and the cores that the order names.
  2. Past the time limit, and when this process gets SIGTERM or whoever started it ends, the sample and all below it are
     killed.
  3. When the sample has ended, whatever it started and did not end within a moment is counted and killed.
  4. END is written last: how the sample ended, and how many processes it left.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_prctl = ctypes.CDLL(None).prctl
_LEAVING_S = 0.5  # for helpers that end by themselves once their parent has, such as multiprocessing's tracker
_ENDING_S = 5.0  # for killed processes to be gone


class _Stopped(Exception):  # noqa: N818 - a signal, not an error
    pass


def main() -> None:
    """Run the sample that the order describes, and write how it ended."""
    order, end = sys.argv[1:]
    signal.signal(signal.SIGTERM, _stop)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    ended: dict[str, Any] = {"code": None, "is_late": False, "num_left": 0}
    sample = 0
    try:
        sample = _start(order)
        ended["is_late"] = not _ends_within(sample, json.loads(order)["limit_s"])
        ended["num_left"] = 0 if ended["is_late"] else _num_left(sample)
    except _Stopped:
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ended["code"] = _end_all(sample)
    Path(end).write_text(json.dumps(ended), encoding="utf-8")


def _stop(*_: object) -> NoReturn:
    raise _Stopped


def _start(order: str) -> int:
    limits = json.loads(order)

    def limit() -> None:
        """In the sample's process, before its program."""
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_DATA, (limits["memory_bytes"],) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if limits["cores"]:
            os.sched_setaffinity(0, limits["cores"])

    command = [sys.executable, "-P", limits["program"], order]
    baton = limits["baton"]
    sample = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=limit, pass_fds=baton
    )
    for descriptor in baton:
        os.close(descriptor)  # so that the other sample sees when this one has ended
    return sample.pid


def _ends_within(pid: int, limit_s: float) -> bool:
    """Whether a process of ours ends in time; it is not reaped."""
    descriptor = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(limit_s * 1000))
    finally:
        os.close(descriptor)


def _num_left(sample: int) -> int:
    """How many processes still run a moment after the sample has ended."""
    until_s = time.monotonic() + _LEAVING_S
    while (left := _below(os.getpid()) - {sample}) and time.monotonic() < until_s:
        time.sleep(0.01)
    return len(left)


def _end_all(sample: int) -> int | None:
    """Kill and reap all below this process; the sample's exit code, negative for a signal."""
    code = None
    until_s = time.monotonic() + _ENDING_S
    with suppress(ChildProcessError):  # there is none any more
        while time.monotonic() < until_s:
            for pid in _below(os.getpid()):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                time.sleep(0.001)
            elif pid == sample:
                code = os.waitstatus_to_exitcode(status)
    return code


def _below(root: int) -> set[int]:
    """Processes that a process has started, and those that they have; ended ones count no more."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):  # it has ended meanwhile
                state, parent = (folder / "stat").read_bytes().rpartition(b")")[2].split()[:2]
                if state != b"Z":
                    children.setdefault(int(parent), []).append(int(folder.name))
    found: set[int] = set()
    ways = [root]
    while ways:
        below = children.get(ways.pop(), [])
        found.update(below)
        ways += below
    return found


if __name__ == "__main__":
    main()
