"""The launcher's side of its nursery: start it, ask it for ranks, have them signalled, end it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from drivetrain.core.units import NS_PER_S
from drivetrain.launch import spares
from drivetrain.launch.descriptors import pair
from drivetrain.launch.wire import Channel, Message, Signal, Spawn

if TYPE_CHECKING:
    import subprocess


class NurseryProcess:
    """A running nursery, in a session of its own, so that a terminal's Ctrl-C reaches the launcher alone.

    Attributes:
      is_ready: whether it can fork, or is about to without importing anything.
    """

    def __init__(self, modules: Sequence[str], *, env: Mapping[str, str], cwd: Path, grace_ns: int) -> None:
        """Start it; it imports the modules while the caller goes on.

        Args:
          env: its whole environment. Libraries read some variables as they load, so it must be what ranks will have.
          cwd: where the ranks will run.
        """
        ours, theirs = pair()
        self.is_ready = False
        with closing(theirs):
            spare = None if modules else spares.take(env)
            if spare is not None and spare.become(theirs, env=env, cwd=cwd, grace_ns=grace_ns):
                self._process: subprocess.Popen[bytes] | spares.Spare = spare
                self.is_ready = True  # it has nothing to import any more
            else:
                import json
                import subprocess

                settings = (theirs.fileno(), os.getpid(), grace_ns, list(modules))
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "drivetrain.launch.nursery", *map(json.dumps, settings)],
                    stdin=subprocess.DEVNULL,
                    stdout=2,
                    pass_fds=[theirs.fileno()],
                    env=dict(env),
                    cwd=cwd,
                    start_new_session=True,
                )
        self.channel = Channel(ours)
        self._grace_ns = grace_ns

    def spawn(self, job: Spawn) -> tuple[int, int, Channel]:
        """Ask for a rank; gives the reading ends of its stdout and stderr, and our end of its line.

        Raises: OSError: the nursery is gone.
        """
        (out_reader, out_writer), (err_reader, err_writer) = os.pipe(), os.pipe()
        ours, theirs = pair()
        try:
            self.channel.send(job, [out_writer, err_writer, theirs.fileno()])
        except OSError:
            os.close(out_reader)
            os.close(err_reader)
            ours.close()
            raise
        finally:
            os.close(out_writer)
            os.close(err_writer)
            theirs.close()
        return out_reader, err_reader, Channel(ours)

    def signal(self, slot: int, signum: int) -> None:
        """Have a process's group signalled; nothing when it has ended or the nursery is gone."""
        with suppress(OSError):
            self.channel.send(Signal(slot, signum))

    def receive(self) -> Message | None:
        """The next message; None when the nursery is gone."""
        received = self.channel.receive()
        return None if received is None else received[0]

    def kill(self) -> None:
        """Kill it, and so its ranks; `receive` then tells that it is gone."""
        self._process.kill()

    def close(self, *, now: bool = False) -> None:
        """End it and what its ranks left; it gets the grace for that, or none. May be called twice."""
        from subprocess import TimeoutExpired

        self.channel.close()
        if now:
            self._process.kill()
        try:
            self._process.wait(timeout=self._grace_ns / NS_PER_S + 5)
        except TimeoutExpired:
            self._process.kill()
            self._process.wait()
