"""A real server process with a store of its own, as people start it: started, killed and started again by tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from drivetrain.server.client import Client

T = TypeVar("T")

_PATIENCE_S = 60.0


class ServerProcess:
    """One server; `kill` and `start` again as often as you like.

    Attributes:
      url: where it listens now.
      said: what it wrote to stderr since it served, once it has ended.
    """

    def __init__(
        self, home: Path, *, database: str = "", options: tuple[str, ...] = (), env: Mapping[str, str] | None = None
    ) -> None:
        self.home, self.url, self.said = home, "", ""
        self._options = ("--port", "0", *(("--database", database) if database else ()), *options)
        self._env = {**os.environ, "DRIVETRAIN_HOME": str(home), **(env or {})}
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> ServerProcess:
        """Start it, and wait until it serves."""
        process = self._process = subprocess.Popen(
            [sys.executable, "-m", "drivetrain", "server", *self._options],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=self._env,
        )
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith("serving at "):
                self.url = line.removeprefix("serving at ").partition(";")[0]
                return self
        raise RuntimeError(f"the server did not come up:\n{''.join(said)}")

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def signal(self, signum: int) -> None:
        """Send a signal."""
        os.kill(self.pid, signum)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and wait; its exit code. Jobs go on."""
        return self._end(signal.SIGTERM)

    def _end(self, signum: int) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(signal.SIGCONT)
        process.send_signal(signum)
        _, self.said = process.communicate(timeout=_PATIENCE_S)
        return process.returncode

    @property
    def token(self) -> str:
        """That of commands of this machine, an operator's."""
        return (self.home / "server" / "token").read_text()

    def client(self, token: str = "") -> Client:
        """For somebody with a token, by default an operator."""
        return Client(self.url, token or self.token)


def wait_for(look: Callable[[], T | None], what: str, *, patience_s: float = _PATIENCE_S) -> T:
    """What `look` gives, once it gives something; a test that waits in vain says for what."""
    until_s = time.monotonic() + patience_s
    while not (found := look()):
        if time.monotonic() > until_s:
            raise AssertionError(f"waited {patience_s:g} s for {what}")
        time.sleep(0.02)
    return found


def wait_for_state(client: Client, job: str, *states: str) -> dict[str, Any]:
    """The job, once it is in one of these states."""

    def look() -> dict[str, Any] | None:
        found = client.job(job)
        return found if found["state"] in states else None

    return wait_for(look, f"{job} to be {' or '.join(states)}")


def bare_venv(folder: Path) -> Path:
    """A folder like an environment's, whose python has nothing but its own library."""
    python = folder / "bare" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.base_prefix}/bin/python3 -I -S "$@"\n')
    python.chmod(0o755)
    return folder / "bare"
