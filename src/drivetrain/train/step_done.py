"""`step_done`: the ledger for any loop, one call a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivetrain.train.observer import Observer, attach


def step_done(step: int | None = None, **scalars: Any) -> None:
    """A step of your own loop is done, and the next one begins.

        for step in range(first, last):
            with dt.phase("data_wait"):
                batch = next(rows)
            loss = train_on(batch)
            dt.step_done(step, loss=loss)

    The first call opens this process's part of a run, under `drivetrain run`, torchrun or alone: what went before is
    `init`, the first step with it, and what follows the last call is `teardown`. Time inside a step that is none of its
    own, such as waiting for data, is named with `dt.phase`. A block that is `dt.phase("checkpoint")` and ends without
    an error is taken to have saved all steps that are done by then.

    Args:
      step: which step it was, from 0, counted over all attempts; one more than the last by default. The first of an
        attempt says where it goes on from, and a smaller one than expected that it has gone back.
      scalars: metrics to record. Each rank that gives them is recorded; by habit only rank 0 does.
    Raises: UsageError: the process has a `dt.Run`, or ranks without a launcher have no process group to agree by.
    """
    global _steps
    if _steps is None or not _steps.observer.is_open:
        _steps = _Steps(attach("dt.step_done"))
    _steps.done(step, scalars)


class _Steps:
    """Steps that follow one another without a gap: the end of one is the beginning of the next."""

    def __init__(self, observer: Observer) -> None:
        self.observer = observer
        observer.commit_by_phase()
        self._expected: int | None = None

    def done(self, step: int | None, scalars: Mapping[str, Any]) -> None:
        observer = self.observer
        if self._expected is None:
            step = 0 if step is None else step
            observer.training_begins(step)
            observer.step_begins(step)
        elif step is None:
            step = self._expected
        elif step < self._expected:
            observer.training_begins(step)
        observer.step_ends(step + 1)
        if scalars:
            observer.log(step + 1, scalars)
        observer.step_begins(step + 1, is_last_perhaps=True)
        self._expected = step + 1


_steps: _Steps | None = None
