"""The iterator behind `run.steps`: hands out microbatches, records where the time goes, saves between steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import torch

from drivetrain.core.errors import DataError, UsageError
from drivetrain.core.faults import Fault
from drivetrain.launch import Control
from drivetrain.ledger import Recorder
from drivetrain.train.cadence import Cadence
from drivetrain.train.feed import Feed
from drivetrain.train.parallel import Replica
from drivetrain.train.position import Position
from drivetrain.train.profiling import Profiling
from drivetrain.train.transfer import to_device
from drivetrain.train.watch import Watch

_END = object()


class Saver(Protocol):
    """What a loop asks of checkpoints; see `saving.Saving`."""

    is_watching: bool

    def look(self) -> None:
        """Between steps, while `is_watching`."""
        ...

    def save(self) -> None:
        """A save is due."""
        ...

    def finish(self) -> None:
        """The steps are done: save, and wait until that is complete."""
        ...


class NoSaver:
    """Of a run without checkpoints."""

    is_watching = False

    def look(self) -> None:
        """Nothing."""

    def save(self) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing."""


class Loop:
    """One rank's way through the steps.

    A rank is always in some phase: the one given at first (`init`), then waiting for data or in a step, with
    checkpoints between steps, and `teardown` after the last. Phases overlap for an instant where one follows another,
    so that no time falls between them.
    """

    def __init__(
        self,
        *,
        position: Position,
        feed: Feed,
        model: torch.nn.Module,
        replica: Replica | None,
        device: torch.device,
        recorder: Recorder,
        cadence: Cadence,
        faults: Mapping[int, Fault],
        saver: Saver,
        profiling: Profiling,
        watch: Watch | None = None,
        go_back: Callable[[], None] | None = None,
        control: Control | None = None,
        prepare: Callable[[int], None] | None = None,
    ) -> None:
        self._position = position
        self._feed = feed
        self._model = model
        self._replica = replica
        self._sync_next = None if replica is None or position.num_microbatches == 1 else replica.sync_next
        self._device = device
        self._recorder = recorder
        self._cadence = cadence
        self._faults = faults
        self._saver = saver
        self._profiling = profiling
        self._watch = watch
        self._go_back = go_back
        self._control = control
        self._prepare = prepare
        self._rows: Iterator[Any] | None = None
        self._phase = "init"
        self._until = 0
        self._is_closed = False

    def steps(self, until: int) -> Iterator[Any]:
        """Microbatches on the device, until `until` steps are finished; ends with everything saved."""
        position, recorder, cadence, faults = self._position, self._recorder, self._cadence, self._faults
        step_begin, step_end, watch = recorder.step_begin, recorder.step_end, self._watch
        control, prepare, saver, profiling = self._control, self._prepare, self._saver, self._profiling
        self._until = until
        self._enter("data_wait")
        step = -1  # that has begun
        try:
            while position.step < self._until:
                coming = position.step
                if control is not None and control.is_over:
                    if control.saves_before(coming) and not self._has_saved():
                        self._until = until
                        continue
                    control.check(coming)
                if coming >= profiling.next_step:
                    profiling.at(coming)
                if prepare is not None:
                    prepare(coming)
                batch = self._next()
                if faults and coming in faults:
                    faults[coming].strike()
                step = coming
                step_begin(step, end="data_wait")
                self._hand_out()
                yield batch
                while position.step == step:
                    yield self._another()
                step_end(step, then="data_wait")
                position.finished = position.step
                step = -1
                if saver.is_watching:
                    saver.look()
                if watch is not None and self._has_gone_back(watch):
                    self._until = until  # a stop that later steps have asked for is undone with them
                    continue
                is_due = position.step >= cadence.next_step and cadence.due(position.step)
                if is_due and (watch is None or watch.is_calm):
                    saver.save()
            profiling.halt(position.step)
            saver.finish()
        finally:
            self._leave(step)

    def _has_saved(self) -> bool:
        """Save before the run is stopped; False where the last steps are undone first, and it is too early."""
        if self._watch is not None and self._has_gone_back(self._watch, everything=True):
            return False
        self._saver.finish()
        return True

    def stop(self) -> None:
        """End the steps after the one at hand, as if no more had been asked for."""
        self._until = self._position.step

    def close(self) -> None:
        """Record no more; an iterator that is still around ends silently."""
        self._is_closed = True
        self._feed.close()

    def _next(self) -> Any:
        if self._rows is None:
            self._rows = self._feed.microbatches(self._position.step)
        batch = next(self._rows, _END)
        if batch is _END:
            raise DataError(f"the loader ended at step {self._position.step}, but must give batches for ever")
        return to_device(batch, self._device)

    def _another(self) -> Any:
        """The next microbatch of a step that needs several."""
        position = self._position
        if position.taken < position.given:
            raise UsageError(
                f"run.step was not called for a batch of step {position.step}",
                hint="call run.step(loss) once for each batch that run.steps gives",
            )
        self._recorder.begin("data_wait")
        batch = self._next()
        self._recorder.end("data_wait")
        self._hand_out()
        return batch

    def _has_gone_back(self, watch: Watch, *, everything: bool = False) -> bool:
        """Judge the numbers of the steps so far; where they ask for it, be at an earlier step."""
        position = self._position
        is_end = position.step >= min(self._until, self._cadence.next_step)  # what is saved must have been judged
        position.is_updating = True  # should this attempt end before all is back, the state is nobody's
        if not watch.settle(everything=everything or is_end):
            position.is_updating = False
            return False
        assert self._go_back is not None
        self._rows = None
        self._go_back()
        self._cadence.went_back(position.step)
        position.is_updating = False
        return True

    def _hand_out(self) -> None:
        position = self._position
        position.given += 1
        if self._sync_next is not None:  # gradients are averaged once a step, by its last microbatch
            self._sync_next(position.given == position.num_microbatches)

    def _enter(self, phase: str) -> None:
        self._recorder.begin(phase)
        self._recorder.end(self._phase)
        self._phase = phase

    def _leave(self, open_step: int) -> None:
        """After the last step, or when the user's loop was left in the middle of one."""
        if self._is_closed:
            return
        position = self._position
        self._profiling.halt(position.step)
        if open_step >= 0:
            self._recorder.step_end(open_step, then="data_wait")
        if position.given:
            self._recorder.resume(open_step)  # it is to be done again: what there is of it is lost
            position.given = position.taken = 0
            (self._model.zero_grad if self._replica is None else self._replica.discard)()
            self._rows = None if self._feed.exact else self._rows
        self._enter("teardown")
