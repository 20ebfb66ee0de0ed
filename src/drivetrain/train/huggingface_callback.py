"""A `TrainerCallback` of transformers that gives a Trainer's run the ledger, the watchdog and `drivetrain report`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from drivetrain.core.errors import MissingExtraError
from drivetrain.train.observer import Observer, attach


def HuggingFaceCallback() -> Any:  # noqa: N802 - for its users it is a class like transformers' own callbacks
    """Record what a Hugging Face Trainer does: `Trainer(..., callbacks=[dt.HuggingFaceCallback()])`.

    Steps, waiting for data, evaluation, checkpoints and what the Trainer logs go into the ledger, whether the process
    was started by `drivetrain run`, by torchrun, by accelerate or alone. Without a launcher one `trainer.train` is one
    run.

    Raises: MissingExtraError: transformers is not installed.
    """
    try:
        base = importlib.import_module("transformers.trainer_callback").TrainerCallback
    except ModuleNotFoundError as exc:
        raise MissingExtraError(
            "transformers is not installed, and this needs it", hint="pip install transformers accelerate"
        ) from exc
    return type("HuggingFaceCallback", (_Hooks, base), {"__doc__": HuggingFaceCallback.__doc__})()


class _Hooks:
    """What the Trainer calls, in the order of a run.

    It calls after an evaluation and after a checkpoint and not before, so that their beginning is read from its
    `control`, which says after each step what comes next.
    """

    def __init__(self) -> None:
        super().__init__()
        self._observer: Observer | None = None

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """The state is restored, if there was one."""
        self._observer = attach("Hugging Face")
        self._observer.training_begins(state.global_step)

    def on_step_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """All batches of the step are on the device."""
        if self._observer is not None:
            self._observer.step_begins(state.global_step)

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """The weights are new."""
        if self._observer is not None:
            self._observer.step_ends(state.global_step, then=_next(control))

    def on_epoch_end(self, _args: Any, _state: Any, control: Any, **_: Any) -> None:
        """An epoch may end with an evaluation and a checkpoint too."""
        if self._observer is not None:
            self._observer.enter(_next(control))

    def on_prediction_step(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        """An evaluation that nobody announced."""
        if self._observer is not None:
            self._observer.enter("eval")

    def on_evaluate(self, _args: Any, _state: Any, control: Any, **_: Any) -> None:
        """An evaluation is done."""
        if self._observer is not None:
            self._observer.enter("checkpoint" if control.should_save else "data_wait")

    def on_save(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """A checkpoint is complete."""
        if self._observer is not None:
            self._observer.committed(state.global_step)
            self._observer.enter("data_wait")

    def on_log(self, _args: Any, state: Any, _control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
        """Record what is logged; called on every rank, and rank 0 speaks for all."""
        if self._observer is not None and state.is_world_process_zero:
            self._observer.log(state.global_step, logs or {})

    def on_train_end(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        """The last step is done, and what follows it."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.training_ends()


def _next(control: Any) -> str:
    """What the Trainer does now, in the order in which it does it."""
    return "eval" if control.should_evaluate else "checkpoint" if control.should_save else "data_wait"
