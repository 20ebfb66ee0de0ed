"""What ranks print: read from pipes, kept raw in a file per rank and attempt, shown line by line with a prefix."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Literal

StreamName = Literal["stdout", "stderr"]
Output = Callable[[int, StreamName, bytes], None]
"""Receives what a rank printed as it comes: (rank, stream, bytes), empty bytes once at the stream's end."""

_CHUNK_BYTES = 65536
_MAX_PIPE_BYTES = 1 << 20
_MAX_LINE_BYTES = 65536
_TAIL_BYTES = 8192
_CRASH, _FRAME = "Fatal Python error: ", "  File "
_OF_CRASH = (
    _CRASH,
    _FRAME,
    "Python runtime state",
    "Current thread",
    "Thread",
    "Stack",
    "  ...",
    "  <",
    "Extension modules",
)
_COLOURS = (36, 33, 35, 32, 34, 31)


class Stream:
    """The reading end of one pipe of one rank. Reading never blocks.

    Attributes:
      fd: the descriptor to watch.
      has_ended: whether nobody can write to it any more.
    """

    def __init__(self, fd: int, rank: int, name: StreamName, log: Log, output: Output) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.has_ended = False
        self._is_closed = False
        self._rank, self._name, self._log, self._output = rank, name, log, output
        self._tail = b""

    def read(self) -> bool:
        """Pass on what there is, up to 64 KiB; True when there may be more right now."""
        if self.has_ended:
            return False
        try:
            chunk = os.read(self.fd, _CHUNK_BYTES)
        except BlockingIOError:
            return False
        self._tail = (self._tail + chunk)[-_TAIL_BYTES:]
        self._log.write(chunk)
        self._output(self._rank, self._name, chunk)
        self.has_ended = not chunk
        return not self.has_ended

    def drain(self) -> None:
        """Pass on all that a process that has ended had written; a pipe holds at most 1 MiB."""
        for _ in range(_MAX_PIPE_BYTES // _CHUNK_BYTES + 1):
            if not self.read():
                return

    def last_lines(self, num_lines: int) -> list[str]:
        """The last lines that are not empty, as text; of a crash of Python's the last two say where it was."""
        text = self._tail.decode("utf-8", errors="replace")
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]
        crash = next((at for at in reversed(range(len(lines))) if lines[at].startswith(_CRASH)), None)
        if crash is not None and all(line.startswith(_OF_CRASH) for line in lines[crash:]):  # nothing came after it
            lines[crash + 1 :] = [line for line in lines[crash:] if line.startswith(_FRAME)][:2]
        return lines[-num_lines:]

    def go_on_in(self, rank: int, log: Log) -> None:
        """What comes from now on belongs to this rank of another attempt, and to its log."""
        if self._is_closed:  # nothing comes: its process is dying, and nobody has heard of it yet
            log.leave()
            return
        self._log.leave()
        self._rank, self._log, self._tail = rank, log, b""

    def close(self) -> None:
        """Stop reading; once."""
        if not self.has_ended:
            self._output(self._rank, self._name, b"")
        os.close(self.fd)
        self._is_closed = True
        self._log.leave()


class Log:
    """A rank's raw output as a file that the rank's two streams share. A full disk ends the file, not the run."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO | None = None
        self._num_users = 2
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)

    def write(self, chunk: bytes) -> None:
        """Append."""
        if self._file is not None:
            try:
                self._file.write(chunk)
            except OSError:
                self._file.close()
                self._file = None

    def leave(self) -> None:
        """One of the two streams has ended."""
        self._num_users -= 1
        if self._num_users == 0 and self._file is not None:
            self._file.close()
            self._file = None


class Terminal:
    """Shows whole lines, each with its rank, on our own stdout and stderr; an `Output`.

    A single rank's output passes through as it comes. Of a line that a carriage return rewrites (a progress bar), the
    last state is shown. A line past 64 KiB is cut into several. When nobody reads any more (`| head`), it goes quiet.
    """

    def __init__(self, num_ranks: int, *, stdout: BinaryIO | None = None, stderr: BinaryIO | None = None) -> None:
        self._streams: dict[StreamName, BinaryIO | None] = {
            "stdout": stdout or sys.stdout.buffer,
            "stderr": stderr or sys.stderr.buffer,
        }
        self._num_ranks = num_ranks
        self._partial: dict[tuple[int, StreamName], bytes] = {}

    def __call__(self, rank: int, stream: StreamName, chunk: bytes) -> None:
        """Take what a rank printed."""
        if self._num_ranks == 1:
            self._write(stream, chunk)
            return
        *lines, rest = (self._partial.pop((rank, stream), b"") + chunk).split(b"\n")
        while len(rest) > _MAX_LINE_BYTES:
            lines.append(rest[:_MAX_LINE_BYTES])
            rest = rest[_MAX_LINE_BYTES:]
        if not chunk and rest:
            lines.append(rest)
        elif rest:
            self._partial[rank, stream] = _visible(rest)
        prefix = self._prefix(rank, stream)
        self._write(stream, b"".join(prefix + _visible(line) + b"\n" for line in lines))

    def _prefix(self, rank: int, stream: StreamName) -> bytes:
        target = self._streams[stream]
        text = f"[rank {rank}]"
        if target is not None and target.isatty() and not os.environ.get("NO_COLOR"):
            return f"\x1b[{_COLOURS[rank % len(_COLOURS)]}m{text}\x1b[0m ".encode()
        return f"{text} ".encode()

    def _write(self, stream: StreamName, data: bytes) -> None:
        target = self._streams[stream]
        if target is None or not data:
            return
        try:
            target.write(data)
            target.flush()
        except OSError:
            self._streams[stream] = None


def _visible(line: bytes) -> bytes:
    """What a terminal would show of a line with carriage returns; one at its end may belong to a line end to come."""
    body = line.removesuffix(b"\r")
    return body.rpartition(b"\r")[2] + line[len(body) :]
