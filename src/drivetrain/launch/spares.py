"""A nursery in waiting: a fork of a process before it has threads, which imports what a nursery needs beside that.

For a launcher in such a process (an agent) the first rank of a program that wants no torch then is milliseconds away,
where an interpreter would have to be started.
"""

from __future__ import annotations

import _socket
import os
import select
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from drivetrain.core.plain_json import decoded, escaped
from drivetrain.launch.descriptors import pair, receive_with, send_with

_MOST_BYTES = 1 << 17
_READ_AT_START = ("PYTHON", "LD_", "MALLOC_", "GLIBC_")
"""Variables that mean something to an interpreter, or to what loads it, only as it starts."""

_waiting: list[Spare] = []


class Spare:
    """A fork that waits to be told what to be; as much of `Popen` as a launcher needs."""

    def __init__(self, pid: int, line: _socket.socket) -> None:
        self._pid, self._pidfd, self._line = pid, os.pidfd_open(pid), line
        self._has_ended = False

    def become(self, end: _socket.socket, *, env: Mapping[str, str], cwd: Path, grace_ns: int) -> bool:
        """Have it be a nursery at this end of a socket; False where it cannot."""
        told = escaped({"env": dict(env), "cwd": str(cwd), "grace_ns": grace_ns})
        try:
            if len(told) > _MOST_BYTES:
                return False
            send_with(self._line, told, [end.fileno()])
        except OSError:
            return False
        finally:
            self._line.close()
        return True

    def kill(self) -> None:
        """SIGKILL."""
        if not self._has_ended:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> None:
        """Until it has ended. Raises: subprocess.TimeoutExpired."""
        if self._has_ended:
            return
        if not select.select([self._pidfd], [], [], timeout)[0]:
            import subprocess

            raise subprocess.TimeoutExpired("nursery", timeout or 0)
        self._has_ended = True
        os.close(self._pidfd)
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


def prepare() -> None:
    """Have one in waiting; for a process that has one thread."""
    ours, theirs = pair(_socket.SOCK_SEQPACKET)
    parent_pid = os.getpid()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _wait(theirs, parent_pid)
    theirs.close()
    _waiting.append(Spare(pid, ours))


def take(env: Mapping[str, str]) -> Spare | None:
    """The one in waiting, if it can be what an interpreter with this environment would be."""
    names = {name for name in (*env, *os.environ) if name.startswith(_READ_AT_START)}
    if not _waiting or any(env.get(name) != os.environ.get(name) for name in names):
        return None
    return _waiting.pop()


def drop() -> None:
    """End it, where nobody wanted it."""
    while _waiting:
        spare = _waiting.pop()
        spare.kill()
        spare.wait()


def _wait(line: _socket.socket, parent_pid: int) -> NoReturn:
    """In the fork: until told what to be, or for the parent's life."""
    from drivetrain.launch.prctl import die_with

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(parent_pid)
    os.setsid()
    from drivetrain.launch.nursery import work

    try:
        content, descriptors = receive_with(line, _MOST_BYTES, 1)
        if not content:
            os._exit(0)
        line.close()
        told = decoded(content)
        os.dup2(2, 1)
        os.environ.clear()
        os.environ.update(told["env"])
        os.chdir(told["cwd"])
    except OSError as exc:
        sys.stderr.write(f"error: no nursery in {os.getcwd()}: {exc}\n")  # noqa: PTH109
        os._exit(1)
    work(descriptors[0], told["grace_ns"])
