"""A Lightning `Callback` that gives a Trainer's run the ledger, the launcher's watchdog and `drivetrain report`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from drivetrain.core.errors import MissingExtraError
from drivetrain.train.observer import Observer, attach

_NAMES = ("lightning.pytorch", "pytorch_lightning")
"""Lightning comes under two names, with classes of their own."""


def LightningCallback() -> Any:  # noqa: N802 - for its users it is a class like Lightning's own callbacks
    """Record what a Lightning Trainer does: `Trainer(callbacks=[dt.LightningCallback()])`.

    Steps, waiting for data, evaluation, checkpoints and the metrics that the module logs (each `log_every_n_steps`) go
    into the ledger, whether the process was started by `drivetrain run`, by Lightning itself, by torchrun or alone.
    Without a launcher one `trainer.fit` is one run. A checkpoint counts as complete when `trainer.save_checkpoint`
    returns, unless it holds weights only or is written asynchronously.

    Raises: MissingExtraError: Lightning is not installed.
    """
    bases = tuple(importlib.import_module(name).Callback for name in _found())
    return type("LightningCallback", (_Hooks, *bases), {"__doc__": LightningCallback.__doc__})()


def _found() -> list[str]:
    """The names that the user has imported Lightning under, or else one it is installed under."""
    imported = [name for name in _NAMES if sys.modules.get(name) is not None]
    if imported:
        return imported
    for name in _NAMES:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        return [name]
    raise MissingExtraError("lightning is not installed, and this needs it", hint="pip install lightning")


class _Hooks:
    """What the Trainer calls, in the order of a run."""

    def __init__(self) -> None:
        super().__init__()
        self._observer: Observer | None = None
        self._step = 0  # steps done when the batch at hand came

    def setup(self, trainer: Any, _module: Any, stage: str) -> None:
        """Ranks have met: open the run, and watch over the writing of checkpoints."""
        if stage == "fit":
            self._observer = attach("Lightning")
            trainer.save_checkpoint = _watched(trainer, self._observer)

    def on_train_start(self, trainer: Any, _module: Any) -> None:
        """The state is restored, if there was one."""
        if self._observer is not None:
            self._observer.training_begins(trainer.global_step)

    def on_train_batch_start(self, trainer: Any, _module: Any, _batch: Any, _index: int) -> None:
        """A batch is on the device."""
        if self._observer is not None:
            self._step = trainer.global_step
            self._observer.step_begins(self._step)

    def on_train_batch_end(self, trainer: Any, _module: Any, outputs: Any, _batch: Any, _index: int) -> None:
        """A batch is done, and with it zero steps (more batches are to come), one, or one for each optimizer."""
        if self._observer is None:
            return
        step = trainer.global_step
        if step == self._step:
            self._observer.microbatch_ends()
            return
        self._observer.step_ends(step)
        if trainer.is_global_zero and step % max(trainer.log_every_n_steps, 1) == 0:
            self._observer.log(step, _loss_of(outputs, trainer.accumulate_grad_batches) | trainer.callback_metrics)

    def on_validation_start(self, trainer: Any, _module: Any) -> None:
        """Evaluation, also the sanity check before the first step."""
        if self._observer is not None and trainer.state.fn == "fit":
            self._observer.enter("eval")

    def on_validation_end(self, trainer: Any, _module: Any) -> None:
        """Back to where it came from."""
        if self._observer is not None and trainer.state.fn == "fit":
            self._observer.enter("init" if trainer.sanity_checking else "data_wait")
            if trainer.is_global_zero and not trainer.sanity_checking:
                self._observer.log(trainer.global_step, trainer.callback_metrics)

    def teardown(self, trainer: Any, _module: Any, stage: str) -> None:
        """The last step is done."""
        if stage == "fit":
            self._end(trainer, lambda observer: observer.training_ends())

    def on_exception(self, trainer: Any, _module: Any, exception: BaseException) -> None:
        """The loop was left by an error, or by Ctrl-C."""
        self._end(trainer, lambda observer: observer.training_failed(exception))

    def _end(self, trainer: Any, tell: Callable[[Observer], None]) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            vars(trainer).pop("save_checkpoint", None)
            tell(observer)


def _loss_of(outputs: Any, num_microbatches: int) -> dict[str, Any]:
    """The loss of the batch, which Lightning has divided by their number; nothing where the module returns none."""
    is_there = isinstance(outputs, Mapping) and outputs.get("loss") is not None
    return {"loss": outputs["loss"] * num_microbatches} if is_there else {}


def _watched(trainer: Any, observer: Observer) -> Callable[..., None]:
    """`trainer.save_checkpoint` as a phase; Lightning has a hook before a checkpoint is written and none after."""
    plain = type(trainer).save_checkpoint

    def save_checkpoint(filepath: Any, weights_only: bool | None = None, storage_options: Any = None) -> None:
        with observer.phase("checkpoint"):
            plain(trainer, filepath, weights_only, storage_options)
        is_async = type(trainer.strategy.checkpoint_io).__name__ == "AsyncCheckpointIO"
        if not weights_only and not is_async:
            observer.committed(trainer.global_step)

    return save_checkpoint
