"""Ctrl-C and its kin as bytes on a descriptor, so that one selector can wait for them with everything else."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Self

_WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SignalPipe:
    """While entered, SIGINT, SIGTERM and SIGHUP do nothing but become readable here.

    One that was ignored before (SIGHUP under `nohup`) stays ignored. Python delivers signals to the main thread:
    entered in another one, this watches none.
    """

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._handlers = {}
        if threading.current_thread() is threading.main_thread():
            self._old_fd = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
            watched = [signum for signum in _WATCHED if signal.getsignal(signum) is not signal.SIG_IGN]
            self._handlers = {signum: signal.signal(signum, _do_nothing) for signum in watched}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)
        if self._handlers:
            signal.set_wakeup_fd(self._old_fd)
        os.close(self._reader)
        os.close(self._writer)

    def fileno(self) -> int:
        """For selectors."""
        return self._reader

    def read(self) -> list[int]:
        """The signals that came since the last call, in order."""
        try:
            return [signum for signum in os.read(self._reader, 64) if signum in _WATCHED]
        except BlockingIOError:
            return []


def _do_nothing(signum: int, frame: FrameType | None) -> None:
    """A handler, so that the signal is written to the wakeup descriptor."""
