"""A rank's line to its launcher: how a process that outlives an attempt leaves it and comes back in the next one.

What holds:
1. Nothing happens to a rank that has not called `keep`: it ends with its attempt.
2. When the attempt is over, `is_over` is set; code of ours that looks at it raises `AttemptOver` at a good moment.
3. A rank that is still inside after 0.1 s has its collectives aborted and gets `AttemptOver` wherever its main thread
   is, again every 0.25 s; whether it comes back is for the launcher to see.
4. A rank that loses a peer before it has heard of that waits for the launcher's word, 30 s at most.
5. A rank that is told to leave at a step does so before that step, and waits for the launcher's word likewise.
"""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from drivetrain.core.errors import AttemptOver
from drivetrain.launch.lost import chain, is_about_a_lost_peer
from drivetrain.launch.wire import Again, Back, Channel, End, Evidence, Keeps, Leave, Left, Message, Stumbled

_SIGNAL = signal.SIGRTMIN + 4  # nobody else's, unlike SIGUSR1
_FIRST_PRESS_MS, _PRESS_MS = 100, 250
_WORD_S = 30.0


class Stay(NamedTuple):
    """What a rank that outlives its attempts must do.

    Attributes:
      leave: let go of all that belongs to the attempt; called in the main thread, outside the program.
      abort: have collectives that wait end with an error; called in another thread.
      evidence: by file name, what tells why a rank waits; called in another thread.
    """

    leave: Callable[[], None]
    abort: Callable[[], None]
    evidence: Callable[[], Mapping[str, bytes]]


class Control:
    """The line of this process. Made by the child that becomes the rank, after the fork.

    Attributes:
      is_over: whether the attempt has ended, or is about to; made to be looked at every step.
      ends_well: whether the process was told that the run goes on without it.
    """

    def __init__(self, channel: Channel) -> None:
        self.is_over = False
        self.ends_well = False
        self._channel = channel
        self._pid = os.getpid()
        self._main = threading.main_thread()
        self._keeps = False
        self._stay: Stay | None = None  # of the attempt that the program is in
        self._again: Again | None = None
        self._leave: Leave | None = None
        self._word = threading.Event()
        self._is_inside = False
        self._sends = threading.Lock()
        self._hears = threading.Lock()
        signal.signal(_SIGNAL, self._interrupt)
        threading.Thread(target=self._serve, name="drivetrain-control", daemon=True).start()

    def keep(self, stay: Stay) -> None:
        """From here on the process outlives its attempts."""
        self._stay = stay
        if not self._keeps:
            self._keeps = True
            self._say(Keeps())

    def check(self, step: int) -> None:
        """Called before a step. Raises AttemptOver: the attempt has ended, here if it is to end at a given step."""
        leave = self._leave
        if self.is_over and (leave is None or step >= leave.at_step):
            raise AttemptOver

    def saves_before(self, step: int) -> bool:
        """Whether this rank, as all others, is to save before this step, and then to leave."""
        return self._leave is not None and self._leave.saves and step >= self._leave.at_step

    def enter(self) -> None:
        """The program begins."""
        self._is_inside = True

    def leave(self, error: BaseException | None) -> Again | None:
        """The program has ended, with this error or None; what comes next, None for the end of the process."""
        self._is_inside = False
        if not self._keeps or error is None or not self._is_of_the_attempt(error):
            return None
        stay, self._stay = self._stay, None
        if stay is not None:
            stay.leave()
        if self._again is None and not self.ends_well:
            self._say(Stumbled(f"{type(error).__name__}: {error}") if self._leave is None else Left())
            self._word.wait(_WORD_S)
        with self._hears:
            again, self._again = self._again, None
            self._leave = None
            self._word.clear()
            self.is_over = False
        return again

    def _is_of_the_attempt(self, error: BaseException) -> bool:
        """Whether it only says that the attempt has ended; while ranks are on their way to a step, they may fail."""
        is_told = self.is_over and (self._leave is None or any(isinstance(each, AttemptOver) for each in chain(error)))
        return is_told or is_about_a_lost_peer(error)

    def come_back(self, attempt: int) -> None:
        """The next attempt begins here."""
        self._say(Back(attempt))

    def is_of_this_process(self) -> bool:
        """Whether no fork lies between."""
        return self._pid == os.getpid()

    def _say(self, message: Message) -> None:
        with self._sends, suppress(OSError):  # without a launcher, the nursery ends this process
            self._channel.send(message)

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        patience_ms: int | None = None
        while True:
            if poll.poll(patience_ms):
                received = self._channel.receive()
                if received is None:
                    return
                self._take(received[0])
                patience_ms = _FIRST_PRESS_MS if self.is_over else None
                if self._leave is not None:
                    patience_ms = self._leave.within_ms
            elif self.is_over and self._is_inside:
                self._press()
                patience_ms = _PRESS_MS
            else:
                patience_ms = None

    def _take(self, message: Message) -> None:
        if isinstance(message, Leave):
            with self._hears:
                self._leave = message
                self.is_over = True
        elif isinstance(message, Again | End):
            with self._hears:
                self._again = message if isinstance(message, Again) else None
                self.ends_well = isinstance(message, End)
                self._leave = None
                self.is_over = True
                self._word.set()
        elif isinstance(message, Evidence):
            with suppress(OSError):
                self._write_evidence(Path(message.folder))

    def _press(self) -> None:
        if self._stay is not None:
            with suppress(Exception):
                self._stay.abort()
        if self._main.ident is not None:
            signal.pthread_kill(self._main.ident, _SIGNAL)

    def _interrupt(self, _signum: int, _frame: FrameType | None) -> None:
        if self.is_over and self._is_inside and self.is_of_this_process():
            raise AttemptOver

    def _write_evidence(self, folder: Path) -> None:
        rank = os.environ.get("RANK", "0")
        with (folder / f"rank-{rank}.stacks.txt").open("w", encoding="utf-8") as file:
            faulthandler.dump_traceback(file, all_threads=True)
        if self._stay is not None:
            for name, content in self._stay.evidence().items():
                (folder / f"rank-{rank}.{name}").write_bytes(content)


_current: Control | None = None


def set_current(control: Control | None) -> None:
    """Make this the line of this process."""
    global _current
    _current = control


def current_control() -> Control | None:
    """The line of this process; None where no launcher of ours forked it."""
    return _current if _current is not None and _current.is_of_this_process() else None
