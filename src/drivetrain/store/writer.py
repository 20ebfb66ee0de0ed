"""A process beside each rank that writes its checkpoints while it trains: `python -m drivetrain.store.writer`.

The rank copies its state into memory that both share, sends a `Job`, and trains on. What holds:
1. It dies with the rank, by the kernel and by the end of the channel; what it has not finished stays invisible.
2. It ignores Ctrl-C: the rank decides.
3. For each job it says `Written` when this rank's file is durable; on rank 0 also `Sealed`, when all is complete.
4. While it waits for other ranks, `Abandon` makes it give the checkpoint up.
It loads no torch: an interpreter with what it needs starts in a tenth of a second.
"""

from __future__ import annotations

import ctypes
import logging
import mmap
import os
import select
import signal
import socket
import sys

import msgspec

from drivetrain.core.clock import mono_ns
from drivetrain.core.errors import StoreError
from drivetrain.store.shelf import Shelf, open_shelf
from drivetrain.store.writer_process import Channel, Sealed, Setting, Write, Written
from drivetrain.store.writing import Job, retain, seal, write_part

logger = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
_LOOK_AGAIN_S = 0.02
_NICE = 5  # training comes first where both want the processor


class Writer:
    """Takes jobs from a channel until it ends."""

    def __init__(self, channel: Channel, memory: int, shelf: Shelf) -> None:
        self._channel = channel
        self._memory = memory
        self._shelf = shelf

    def serve(self) -> None:
        """Returns when the rank is gone or has closed the channel."""
        while (message := self._channel.receive()) is not None:
            if isinstance(message, Write):
                self._write(message.job)

    def _write(self, job: Job) -> None:
        try:
            write_part(self._shelf, job, memoryview(mmap.mmap(self._memory, job.size_bytes, prot=mmap.PROT_READ)))
        except Exception as exc:  # noqa: BLE001 - the edge: the rank must hear of it, whatever it is
            self._channel.send(Written(job.step, _text(exc)))
            return
        self._channel.send(Written(job.step))
        if job.common is not None:
            self._seal(job)

    def _seal(self, job: Job) -> None:
        assert job.common is not None
        try:
            if not seal(self._shelf, job, self._wait):
                self._channel.send(Sealed(job.step, 0, "it was given up"))
                return
        except Exception as exc:  # noqa: BLE001 - likewise
            self._channel.send(Sealed(job.step, 0, _text(exc)))
            return
        self._channel.send(Sealed(job.step, mono_ns()))
        try:
            retain(self._shelf, job.common.retention)
        except (StoreError, OSError) as exc:  # the checkpoint is complete, and the next one's turn comes
            logger.warning("old checkpoints stay: %s", _text(exc))

    def _wait(self) -> bool:
        """A moment; False when the rank says to give up, or is gone."""
        readable, _, _ = select.select([self._channel], [], [], _LOOK_AGAIN_S)
        if readable:
            self._channel.receive()  # `Abandon`, or the end: nothing else is sent before an answer
        return not readable


def _text(exc: Exception) -> str:
    if isinstance(exc, StoreError):
        return exc.message
    return (exc.strerror or str(exc)) if isinstance(exc, OSError) else f"{type(exc).__name__}: {exc}"


def main() -> None:
    """Serve the rank that started this process."""
    setting = msgspec.json.decode(sys.argv[1], type=Setting)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != setting.parent_pid:
        return
    os.nice(_NICE)
    channel = Channel(socket.socket(fileno=setting.channel))
    Writer(channel, setting.memory, open_shelf(setting.address, setting.patience_s)).serve()
    os._exit(0)  # there is nothing left to finish, and the rank waits for the end


if __name__ == "__main__":
    main()
