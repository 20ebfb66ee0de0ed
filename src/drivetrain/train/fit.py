"""`fit`: the usual loop over a `Run`, with evaluation, early stop, callbacks and something to look at."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from drivetrain.core import variables
from drivetrain.core.clock import mono_ns
from drivetrain.core.errors import ConfigError
from drivetrain.core.units import parse_every
from drivetrain.train.callbacks import Callback, Hooks, stateful
from drivetrain.train.display import Display, Glance, Pace, open_display
from drivetrain.train.early_stop import EarlyStop, Evaluations
from drivetrain.train.run import Run

LossFn = Callable[[nn.Module, Any], torch.Tensor]
Evaluate = Callable[[nn.Module], "Mapping[str, float | torch.Tensor]"]


@dataclass(frozen=True, slots=True)
class Fitted:
    """How a fit ended; the trained model is the one that was given.

    Attributes:
      run: the run, closed if `fit` made it; `drivetrain report` and `dt.account(run.id)` say where its time went.
      num_steps: steps done, over all attempts.
      stopped_early: whether `early_stop` ended it.
      metrics: of the last evaluation; empty without one.
      best: the best value of the metric that `early_stop` watches; None without one.
      best_step: how many steps were done then; -1 without one.
    """

    run: Run
    num_steps: int
    stopped_early: bool
    metrics: Mapping[str, float]
    best: float | None
    best_step: int


def fit(
    model: nn.Module,
    loader: object,
    loss_fn: LossFn,
    optimizer: torch.optim.Optimizer,
    *,
    until: int,
    run: Run | None = None,
    schedule: Any = None,
    evaluate: Evaluate | None = None,
    evaluate_every: str = "100step",
    early_stop: EarlyStop | None = None,
    callbacks: Sequence[Callback] = (),
    log_every: str = "10step",
    progress: bool = True,
) -> Fitted:
    """Train a model, and go on where an earlier attempt was stopped. Collective; once per run.

        dt.fit(network, loader, lambda model, batch: mse(model(batch["x"]), batch["y"]), optimizer, until=1000)

    It is the loop `for batch in run.steps(...): run.step(loss_fn(model, batch))` and nothing else, so what `dt.Run`
    promises holds, for evaluation, early stop and callbacks with a state too.

    Args:
      model: the whole model.
      loader: any iterable of batches, see `Run.setup`.
      loss_fn: `loss_fn(model, batch)` gives a scalar, the mean over the batch; call the model that it is given.
      optimizer: made from the model's parameters.
      until: steps in all, counted from the beginning of the run.
      run: made with the settings you want; without one, `dt.Run()` is made, and closed at the end.
      schedule: a learning rate scheduler of the optimizer; it moves once a step.
      evaluate: `evaluate(model)` gives metrics by name. It is called on every rank, in evaluation mode, without
        gradients, with the averaged weights where the run keeps them; rank 0's metrics count (add up what each rank
        counted with `run.all_sum`).
      evaluate_every: in steps, `100step`; the last step is evaluated too.
      early_stop: end before `until` when a metric no longer gets better.
      callbacks: called in this order.
      log_every: how often rank 0 records the loss, in steps.
      progress: show on rank 0 how it goes: a bar on a terminal, else a line each 30 s on stderr.
    Raises:
      ConfigError: settings do not fit each other.
      Exception: what `loss_fn`, `evaluate` or a callback raises; for a callback with a note that names it.
    """
    every = _steps_of("evaluate_every", evaluate_every) if evaluate is not None else 0
    if early_stop is not None and evaluate is None:
        raise ConfigError("early_stop was given without evaluate", hint="it watches a metric that evaluate returns")
    hooks, log_steps = Hooks(callbacks), _steps_of("log_every", log_every)
    evaluations = Evaluations(early_stop)
    with Run() if run is None else nullcontext(run) as used:
        extras = {"fit": evaluations, **stateful(callbacks)}
        spread, _, batches = used.setup(model, optimizer, loader, schedule=schedule, extras=extras)
        loop = _Loop(used, spread, loss_fn, until, hooks, log_steps, evaluations, evaluate, every)
        hooks.call("on_start", used)
        if not evaluations.is_enough:
            with _shown(used, until, progress) as display:
                loop.go(batches, display)
        hooks.call("on_end", used)
    seen = evaluations
    return Fitted(used, used.step_index, seen.is_enough, dict(seen.latest), seen.best, seen.best_step)


class _Loop:
    """One rank's loop; everything that a step needs is bound before the first."""

    def __init__(
        self,
        run: Run,
        model: nn.Module,
        loss_fn: LossFn,
        until: int,
        hooks: Hooks,
        log_steps: int,
        evaluations: Evaluations,
        evaluate: Evaluate | None,
        evaluate_steps: int,
    ) -> None:
        self._run, self._model, self._loss_fn, self._until = run, model, loss_fn, until
        self._hooks, self._log_steps = hooks, log_steps
        self._evaluations = evaluations
        self._evaluate, self._evaluate_steps = evaluate, evaluate_steps

    def go(self, batches: Any, display: Display | None) -> None:
        """All steps, to `until` or an early stop; ends with everything saved."""
        run, model, loss_fn = self._run, self._model, self._loss_fn
        on_step = self._hooks.on_step
        log_steps = self._log_steps if run.is_main else 0
        evaluate_steps = self._evaluate_steps
        began_ns = mono_ns()
        pace = Pace(run.step_index, began_ns)
        show_at_ns = began_ns + display.every_ns if display is not None else 2**63
        parts: list[torch.Tensor] = []  # losses of the step's earlier microbatches
        model.train()
        for batch in run.steps(batches, until=self._until):
            began_ns, before = mono_ns(), run.step_index  # not the last `step`: after an anomaly a run may go back
            loss = loss_fn(model, batch)
            run.step(loss)
            step = run.step_index
            if step == before:
                parts.append(loss.detach())
                pace.body_ns += mono_ns() - began_ns
                continue
            if parts:
                loss = torch.stack([*parts, loss.detach()]).mean()
                parts.clear()
            if log_steps and step % log_steps == 0:
                run.log(loss=loss)
            if on_step:
                self._hooks.call("on_step", run, loss.detach())
            ended_ns = mono_ns()
            pace.body_ns += ended_ns - began_ns
            if display is not None and ended_ns >= show_at_ns:
                self._show(display, pace, loss, ended_ns)
                show_at_ns = ended_ns + display.every_ns
            if evaluate_steps and (step % evaluate_steps == 0 or step == self._until):
                self._judge(step)
                pace.lap(step, mono_ns())
                if self._evaluations.is_enough:
                    run.stop()

    def _judge(self, step: int) -> None:
        run, model = self._run, self._model
        assert self._evaluate is not None
        model.eval()
        with run.phase("eval"), torch.no_grad(), self._averaged():
            metrics = run.share(_numbers(self._evaluate(model)))
        model.train()
        self._evaluations.take(step, metrics)
        if run.is_main:
            run.log(**metrics)
        self._hooks.call("on_eval", run, metrics)

    def _averaged(self) -> Any:
        return nullcontext() if self._run.settings.ema is None else self._run.averaged(self._model)

    def _show(self, display: Display, pace: Pace, loss: torch.Tensor, now_ns: int) -> None:
        step = self._run.step_index
        step_ns, wait_pct = pace.lap(step, now_ns)
        display.show(Glance(step, self._until, loss.item(), step_ns, wait_pct, self._evaluations.latest))


@contextmanager
def _shown(run: Run, until: int, progress: bool) -> Iterator[Display | None]:
    """The display of rank 0 while the block runs; other ranks show nothing."""
    if not progress or not run.is_main:
        yield None
        return
    display = open_display(run.step_index, until, is_launched=variables.RUN in os.environ)
    try:
        yield display
    finally:
        display.close()


def _numbers(metrics: object) -> dict[str, float]:
    if not isinstance(metrics, Mapping):
        raise TypeError(f"evaluate returned a {type(metrics).__name__}, but must return metrics by name, in a dict")
    numbers = {}
    for name, value in metrics.items():
        try:
            numbers[str(name)] = float(value)
        except (TypeError, ValueError, RuntimeError) as exc:
            raise TypeError(f"evaluate returned {value!r} for {name}, but a metric must be one number") from exc
    return numbers


def _steps_of(name: str, text: str) -> int:
    """The number of steps in `50step`; time is refused: a run that was killed must evaluate where another does."""
    try:
        every = parse_every(text)
    except (ValueError, TypeError) as exc:
        raise ConfigError(f"{name}: {exc}", hint=f'write {name}="50step"') from exc
    if every.unit != "step":
        raise ConfigError(f"{name} is {text!r}, but fit counts in steps", hint=f'write {name}="50step"')
    return every.amount
