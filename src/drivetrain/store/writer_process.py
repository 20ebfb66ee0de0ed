"""The rank's side of its writer: start it, give it jobs, hear of their ends, stop it."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from contextlib import suppress

import msgspec

from drivetrain.core.errors import CheckpointError
from drivetrain.store.writing import Job


class Setting(msgspec.Struct, frozen=True):
    """What a writer is started with: descriptors of channel and memory, whose child it is, and where to write."""

    channel: int
    memory: int
    parent_pid: int
    address: str
    patience_s: float


class Write(msgspec.Struct, frozen=True, tag="write"):
    """A job for the writer."""

    job: Job


class Abandon(msgspec.Struct, frozen=True, tag="abandon"):
    """Stop waiting for the other ranks."""


class Written(msgspec.Struct, frozen=True, tag="written"):
    """This rank's file of a step is durable, or why not."""

    step: int
    error: str = ""


class Sealed(msgspec.Struct, frozen=True, tag="sealed"):
    """The checkpoint of a step became complete at this monotonic time, or why not."""

    step: int
    at_ns: int
    error: str = ""


Message = Write | Abandon | Written | Sealed
_DECODER: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


class WriterGone(CheckpointError):  # noqa: N818 - the state it names is the point
    """The writer process has ended, killed by someone; another one may do better."""


class Channel:
    """Messages over a socket, each a length and JSON."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def fileno(self) -> int:
        """For `select`."""
        return self._end.fileno()

    def send(self, message: Message) -> None:
        """Raises OSError: the other side is gone."""
        content = msgspec.json.encode(message)
        self._end.sendall(len(content).to_bytes(8, "little") + content)

    def receive(self) -> Message | None:
        """The next message, waiting for it; None when the other side is gone."""
        with suppress(ConnectionError):
            num_bytes = int.from_bytes(self._end.recv(8, socket.MSG_WAITALL), "little")
            content = self._end.recv(num_bytes, socket.MSG_WAITALL)  # no buffer: `select` would not see what is in it
            if num_bytes and len(content) == num_bytes:
                return _DECODER.decode(content)
        return None

    def close(self) -> None:
        """Twice is fine. The other side hears of it even where a fork of this process still has the socket."""
        with suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()


class WriterProcess:
    """A running writer; for one thread."""

    def __init__(self, memory: int, address: str, patience_s: float) -> None:
        """Start it; it loads while the caller goes on.

        Args:
          memory: descriptor of the shared memory where files are made ready.
          address: of the shelf.
          patience_s: how long to try a bucket that does not answer.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            setting = Setting(theirs.fileno(), memory, os.getpid(), address, patience_s)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "drivetrain.store.writer", msgspec.json.encode(setting).decode()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno(), memory],
                process_group=0,  # a Ctrl-C of the terminal may come before it ignores that
            )
        self._channel = Channel(ours)

    def give(self, job: Job) -> None:
        """Have a file written that stands ready in the memory. Raises WriterGone."""
        try:
            self._channel.send(Write(job))
        except OSError as exc:
            raise self._gone() from exc

    def abandon(self) -> None:
        """Have it stop waiting for other ranks."""
        with suppress(OSError):
            self._channel.send(Abandon())

    def hear(self, timeout_s: float | None) -> Written | Sealed | None:
        """What it says next; None when it says nothing in time. Raises WriterGone."""
        if timeout_s is not None and not select.select([self._channel], [], [], timeout_s)[0]:
            return None
        message = self._channel.receive()
        if not isinstance(message, Written | Sealed):
            raise self._gone()
        return message

    def stop(self, *, at_once: bool, timeout_s: float = 60.0) -> None:
        """End it and wait until it has ended; twice is fine.

        Args:
          at_once: what it is doing is given up; else it is finished, if that takes no longer than `timeout_s`.
        """
        if at_once:
            self._process.kill()
        self._channel.close()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _gone(self) -> WriterGone:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
        return WriterGone(f"the process that writes checkpoints has ended with code {self._process.poll()}")
