"""A microbatch's loss becomes gradients, and the step's last one new weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from drivetrain.core.errors import UsageError
from drivetrain.train.ema import Ema
from drivetrain.train.guard import Guard
from drivetrain.train.position import Position


class Update:
    """Call it once per microbatch with the loss.

    Everything looked up per step is bound here once: a step of a small model takes some 200 us in all.
    """

    def __init__(
        self,
        position: Position,
        optimizer: torch.optim.Optimizer,
        *,
        clip: float | None = None,
        schedule: Any = None,
        ema: Ema | None = None,
        settle: Callable[[], None] | None = None,
        guard: Guard | None = None,
        weights: Sequence[float] = (1.0,),
    ) -> None:
        self._position = position
        self._optimizer_step = optimizer.step
        self._clip = clip
        self._parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self._schedule_step = None if schedule is None else schedule.step
        self._ema = ema
        self._settle = settle
        self._guard = guard
        self._weights = weights  # of each microbatch of a step

    def __call__(self, loss: torch.Tensor) -> None:
        """Backward; on the last microbatch of the step also clip, optimizer, schedule and averaging.

        Raises: UsageError: there is no microbatch whose loss this could be.
        """
        position = self._position
        if position.taken >= position.given:
            raise UsageError(
                f"run.step was called twice for one batch, at step {position.step}",
                hint="call it once per batch that run.steps gives; add losses before",
            )
        num_microbatches = position.num_microbatches
        weight = self._weights[position.taken]
        share = loss if weight == 1 else loss * weight
        if self._guard is not None:
            share = self._guard.before_backward(share, is_last=position.taken + 1 == num_microbatches)
        share.backward()  # type: ignore[no-untyped-call]  # torch has no types here
        position.taken += 1
        if position.taken == num_microbatches:
            self._apply()
            position.step += 1
            position.given = position.taken = 0
            position.is_updating = False

    def _apply(self) -> None:
        if self._settle is not None:
            self._settle()
        self._position.is_updating = True
        if self._guard is not None:
            self._guard.update(self._position.step)
        else:
            self._change_weights()
        for parameter in self._parameters:
            parameter.grad = None  # what optimizer.zero_grad does, without the 5 us of its profiling
        if self._schedule_step is not None:
            self._schedule_step()

    def _change_weights(self) -> None:
        if self._clip is not None:
            nn.utils.clip_grad_norm_(self._parameters, self._clip)
        self._optimizer_step()
        if self._ema is not None:
            self._ema.update(self._position.step + 1)
