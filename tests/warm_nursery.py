"""Nurseries that are forks of one process which has imported torch once: `warm_nursery.py DESCRIPTOR PARENT`.

Of a launcher in a test, the import of torch is most of what the processor does. Here one process makes it for all of
them; its forks then do what a nursery that was started anew does. `drivetrain()` is the command for such launchers.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from drivetrain.launch import nursery
from drivetrain.launch.nursery_process import NurseryProcess
from drivetrain.launch.prctl import die_with
from drivetrain.launch.spec import DEFAULT_PRELOAD
from drivetrain.launch.wire import Channel

_MOST_BYTES = 1 << 17
_CLI = Path(__file__).with_name("warm_cli.py")


@functools.cache
def address() -> str:
    """Where the process that has imported torch is asked for forks; started by the first who asks, for this process."""
    folder = tempfile.TemporaryDirectory(prefix="warm-")
    path = f"{folder.name}/socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen(64)
        process = subprocess.Popen(
            [sys.executable, __file__, str(listener.fileno()), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def end() -> None:
        process.kill()
        process.wait()
        folder.cleanup()

    atexit.register(end)
    return path


def drivetrain() -> list[str]:
    """The command `drivetrain`, whose launcher has such a nursery."""
    return [sys.executable, str(_CLI), address()]


class _Fork:
    """What a launcher needs of `Popen`, for a process that is no child of it."""

    def __init__(self, pidfd: int) -> None:
        self._pidfd = pidfd

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> None:
        if not select.select([self._pidfd], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("nursery", timeout or 0)

    def __del__(self) -> None:
        os.close(self._pidfd)


def warm_nursery(
    address: str, modules: Sequence[str], *, env: Mapping[str, str], cwd: Path, grace_ns: int
) -> NurseryProcess:
    """In place of `NurseryProcess`; one that shall not import torch is started anew."""
    if "torch" not in modules:
        return NurseryProcess(modules, env=env, cwd=cwd, grace_ns=grace_ns)
    made = NurseryProcess.__new__(NurseryProcess)
    ours, theirs = socket.socketpair()
    with theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as end:
        request = {"modules": list(modules), "env": dict(env), "cwd": str(cwd), "grace_ns": grace_ns}
        end.connect(address)
        socket.send_fds(end, [json.dumps(request).encode()], [theirs.fileno(), 2])
        _, (pidfd,), *_ = socket.recv_fds(end, 1, 1)
    made._process = _Fork(pidfd)  # type: ignore[assignment]  # it does what is asked of it there
    made.channel = Channel(ours)
    made.is_ready = False
    made._grace_ns = grace_ns
    return made


def _become(request: Mapping[str, Any], channel: int, stderr: int, parent_pid: int) -> None:
    """In a fork: the nursery that is asked for."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.dup2(stderr, 1)
    os.dup2(stderr, 2)
    os.close(stderr)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    settings = (channel, parent_pid, request["grace_ns"], request["modules"])
    sys.argv = ["nursery", *map(json.dumps, settings)]
    nursery.main()


def main() -> None:
    """Import what ranks need, then fork until killed."""
    die_with(int(sys.argv[2]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    for name in DEFAULT_PRELOAD:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    own_pid = os.getpid()
    listener = socket.socket(fileno=int(sys.argv[1]))
    while True:
        end, _ = listener.accept()
        with end:
            content, descriptors, *_ = socket.recv_fds(end, _MOST_BYTES, 2)
            if not content:
                continue
            pid = os.fork()
            if pid == 0:
                end.close()
                listener.close()
                _become(json.loads(content), *descriptors, own_pid)
            pidfd = os.pidfd_open(pid)
            with suppress(OSError):  # who asked has been killed
                socket.send_fds(end, [b"1"], [pidfd])
        for descriptor in (*descriptors, pidfd):
            os.close(descriptor)


if __name__ == "__main__":
    main()
