"""The ledger of a loop that is not ours: opens this process's part of a run, and is told where the loop stands.

The states of a rank, one after the other, so that whatever kills the process, the time before has a name:

    init -> (step -> data_wait | checkpoint | eval)* -> teardown
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import distributed

from drivetrain.core import faults
from drivetrain.core.clock import mono_ns
from drivetrain.core.errors import UsageError
from drivetrain.core.profiling import Subject
from drivetrain.core.variables import whole_number
from drivetrain.ledger import current
from drivetrain.store import RunFolder
from drivetrain.train import exits
from drivetrain.train.profiling import Profiling
from drivetrain.train.session import Session, open_session, refuse_second

T = TypeVar("T")


class Observer:
    """One rank's steps and phases, as the loop's owner tells them.

    Attributes:
      folder: where the run leaves what it makes.
      rank: this process's index among all.
      attempt: which try of the run this is, from 0.
    """

    def __init__(self, session: Session, rank: int) -> None:
        self.folder: RunFolder = session.folder
        self.rank, self.attempt = rank, session.attempt
        self._session = session
        self._recorder = session.recorder
        self._faults = faults.planned(rank, session.attempt)
        self._phase = "init"
        self._step: int | None = None  # the one being made
        self._perhaps_since_ns: int | None = None  # when it began, if it may be none
        self._is_between_microbatches = False
        self._has_begun = False
        self._num_done = 0
        self._profiling = Profiling(session.folder, rank)
        self._pid = os.getpid()
        atexit.register(self.close)

    def training_begins(self, step: int) -> None:
        """The loop is about to make this step first; what was done of it and of later ones before is done again."""
        if step or (self.attempt and not self._has_begun):
            self._recorder.resume(step)
        if not self._has_begun:
            self._profiling.begin(self._subject())
        self._has_begun = True
        if self._phase == "teardown":
            self.enter("init")

    @property
    def is_open(self) -> bool:
        """Whether this process still has this part of a run."""
        return _attached is self

    def step_begins(self, step: int, *, is_last_perhaps: bool = False) -> None:
        """The step's batch is here, or the next microbatch of the step that is being made.

        Args:
          is_last_perhaps: nobody knows whether there is such a step; if the process ends well in it, there was none.
        """
        if self._step is None:
            if step in self._faults:
                self._faults[step].strike()
            self._perhaps_since_ns = mono_ns() if is_last_perhaps else None
            self._recorder.step_begin(step, end=self._phase)
            self._step = step
            if step >= self._profiling.next_step:
                self._profiling.at(step)
        elif self._is_between_microbatches:
            self._recorder.end("data_wait")
            self._is_between_microbatches = False

    def microbatch_ends(self) -> None:
        """The step needs another microbatch."""
        self._recorder.begin("data_wait")
        self._is_between_microbatches = True

    def step_ends(self, num_done: int, *, then: str = "data_wait") -> None:
        """So many steps are done in all; `then` is what comes next."""
        if self._step is None:
            return
        self._num_done = num_done
        self._recorder.step_end(num_done - 1, count=max(num_done - self._step, 1), then=then)
        self._step, self._phase = None, then

    def enter(self, phase: str) -> None:
        """Something else begins, where no step is being made."""
        if phase != self._phase:
            self._recorder.begin(phase)
            self._recorder.end(self._phase)
            self._phase = phase

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """The block is a phase, inside a step or beside one."""
        with self._recorder.phase(name):
            yield

    def commit_by_phase(self) -> None:
        """From now on a `with dt.phase("checkpoint")` that ends without an error is one that covers the steps done."""
        self._recorder.on_saved = lambda: self.committed(self._num_done)

    def committed(self, num_done: int) -> None:
        """A checkpoint is complete that covers the steps done so far."""
        if self.rank == 0:
            self._recorder.commit(num_done)

    def log(self, num_done: int, scalars: Mapping[str, Any]) -> None:
        """Record those of the values that are numbers; reading a tensor waits for the device."""
        numbers = {name: float(value) for name, value in scalars.items() if _is_number(value)}
        if numbers:
            self._recorder.log(num_done, numbers)

    def training_ends(self) -> None:
        """The loop is over: so is the run, unless a launcher says when."""
        self._profiling.halt(self._num_done)
        if self._step is not None:  # begun, and never to be finished
            step, self._step = self._step, None
            self._recorder.step_end(step, then="teardown")
            self._recorder.skip(step)
        else:
            self._recorder.begin("teardown")
            self._recorder.end(self._phase)
        self._phase = "teardown"
        if not self._session.is_watched:
            self._close(0)

    def training_failed(self, error: BaseException) -> None:
        """The loop was left by an error."""
        self._recorder.begin("teardown")  # over a step, which then is not done
        self._phase = "teardown"
        if not self._session.is_watched:
            self._close(max(exits.code_of(error), 1))

    def close(self) -> None:
        """End this rank's part; it happens by itself when the process ends."""
        code = exits.code_of(getattr(sys, "last_value", None))
        if code == 0 and self._step is not None and self._perhaps_since_ns is not None:
            self._recorder.begin("teardown", at_ns=self._perhaps_since_ns)
            self._recorder.skip(self._step)
        self._close(code)

    def _subject(self) -> Subject:
        """What would be profiled: steps alone, as nobody tells us of the model."""
        is_on_cuda = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]  # torch has no types here
        return Subject(
            folder=self.folder.profile,
            journal=self.folder.rank_journal(self.attempt, self.rank),
            attempt=self.attempt,
            rank=self.rank,
            device="cuda" if is_on_cuda else "cpu",
            precision="fp32",
            is_compiled=False,
            share=1.0,
            phase="",
            model=None,
            optimizer=None,
            recorder=self._recorder,
        )

    def _close(self, exit_code: int) -> None:
        global _attached
        if _attached is not self or os.getpid() != self._pid:  # a forked child must not end its parent's run
            return
        _attached = None
        atexit.unregister(self.close)
        self._profiling.close(keep=exit_code == 0)
        self._session.close(exit_code)


@dataclass(frozen=True, slots=True)
class _Loop:
    """What a run that only observes is made with."""

    kind: str
    name: str = ""

    def plain(self) -> dict[str, object]:
        return {"loop": self.kind}


@dataclass(frozen=True, slots=True)
class _Ranks:
    """This process among the others, in a process group that somebody else has made, or among none."""

    rank: int
    world_size: int

    def on_main(self, act: Callable[[], T]) -> T:
        if self.world_size == 1:
            return act()
        if not distributed.is_initialized():
            raise UsageError(
                f"there are {self.world_size} ranks and no process group yet, so they cannot agree on a run",
                hint="start them with `drivetrain run`, or record the first step after init_process_group",
            )
        box: list[Any] = [None, None]
        if self.rank == 0:
            try:
                box[0] = act()
            except Exception as exc:  # noqa: BLE001 - the others wait: whatever it is, they must hear of it
                box[1] = exc
        distributed.broadcast_object_list(box, src=0)
        if box[1] is not None:
            raise box[1]
        result: T = box[0]
        return result


_attached: Observer | None = None


def attach(kind: str) -> Observer:
    """The observer of this process; the first call opens its part of the run. Collective where no launcher named one.

    Args:
      kind: whose loop it is, for the run's configuration.
    Raises: UsageError: the process has a `dt.Run`, or the ranks cannot agree on a run.
    """
    global _attached
    if _attached is None:
        if current() is not None:
            raise UsageError(
                f"this process has a dt.Run, which records its steps itself, and {kind} would record others",
                hint="use one of the two",
            )
        ranks = _ranks()
        refuse_second(ranks)
        _attached = Observer(open_session(_Loop(kind), ranks), ranks.rank)
    return _attached


def _ranks() -> _Ranks:
    if distributed.is_available() and distributed.is_initialized():
        return _Ranks(distributed.get_rank(), distributed.get_world_size())
    return _Ranks(whole_number(os.environ, "RANK", 0), whole_number(os.environ, "WORLD_SIZE", 1))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) or (hasattr(value, "numel") and value.numel() == 1)
