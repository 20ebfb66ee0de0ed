"""Has all imported that agents need, and forks them: `python -m drivetrain.compute.agent.warm DESCRIPTOR PARENT`.

An agent that is forked is at work after some milliseconds, where one that is started imports for a quarter second.
"""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from drivetrain import launch
from drivetrain.compute.agent.main import main as be_agent
from drivetrain.core.plain_json import decoded, escaped
from drivetrain.launch.prctl import die_with

_MOST_BYTES = 1 << 16
_OF_PYTHON = "hashlib", "shutil", "subprocess", "traceback"
_PATIENCE_S = 10.0


class WarmAgents:
    """The process that forks agents, seen from who wants some; lives as long as the thread that began it."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """Start it. Args: env: its variables, none of which agents have by that."""
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.settimeout(_PATIENCE_S)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "drivetrain.compute.agent.warm", str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd="/",
                env=dict(env),
            )

    def fork(self, folder: Path, member: int, env: Mapping[str, str], output: int) -> int:
        """Start an agent; a descriptor of its process.

        Args:
          env: its variables, all of them.
          output: descriptor of where it writes.
        Raises: OSError: it does not fork any more.
        """
        told = escaped({"folder": str(folder), "member": member, "env": dict(env)})
        socket.send_fds(self._line, [told], [output])
        _, descriptors, *_ = socket.recv_fds(self._line, 1, 1)
        if not descriptors:
            raise ConnectionError("the process that forks agents is gone")
        return descriptors[0]

    def close(self) -> None:
        """End it; its agents go on."""
        self._line.close()
        self._process.kill()
        self._process.wait()


def main(end: int, parent_pid: int) -> None:
    """Fork agents until nobody wants any more."""
    die_with(parent_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    if not sys.flags.safe_path:
        sys.path.pop(0)  # the folder that `-m` put there
    _import_all()
    gc.collect()
    gc.freeze()
    line = socket.socket(fileno=end)
    while True:
        content, descriptors, *_ = socket.recv_fds(line, _MOST_BYTES, 1)
        if not content:
            return
        pid = os.fork()
        if pid == 0:
            line.close()
            _become(decoded(content), descriptors[0])
        pidfd = os.pidfd_open(pid)
        with suppress(OSError):
            socket.send_fds(line, [b"1"], [pidfd])
        os.close(pidfd)
        os.close(descriptors[0])


def _import_all() -> None:
    """What agents import as they need it."""
    for name in ("drivetrain.compute.agent.work", *_OF_PYTHON):
        importlib.import_module(name)
    for module in pkgutil.iter_modules(launch.__path__):
        importlib.import_module(f"{launch.__name__}.{module.name}")


def _become(told: Mapping[str, object], output: int) -> NoReturn:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    env = told["env"]
    assert isinstance(env, dict)
    os.environ.clear()
    os.environ.update(env)
    code = 70
    try:
        code = be_agent(str(told["folder"]), int(str(told["member"])))
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
