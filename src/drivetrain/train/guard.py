"""The update of a step whose numbers are looked at first: a bad one leaves weights, averages and buffers as they were.

Reading a number from an accelerator waits for it. An optimizer that can leave a step out on the device itself (torch's
with `fused=True`) is told there, and the host reads the numbers one step late, when they have long been computed. Any
other must be told by the host, which then waits for the gradient: torch's own gradient scaler does the same. On a CPU
reading is free, and nothing is late.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed, nn

from drivetrain.train.anomaly import Reading
from drivetrain.train.ema import Ema
from drivetrain.train.kept_buffers import KeptBuffers
from drivetrain.train.scaling import LossScale
from drivetrain.train.watch import Watch


def can_read_late(optimizer: torch.optim.Optimizer, device: torch.device) -> bool:
    """Whether waiting can be avoided, and is worth avoiding."""
    return device.type != "cpu" and getattr(optimizer, "_step_supports_amp_scaling", False)


@dataclass(slots=True)
class Guard:
    """What stands before the optimizer of one rank. All ranks see the same numbers and do the same.

    Attributes:
      optimizer: its `step` is called where the numbers are good.
      parameters: those it updates.
      watch: judges the numbers, and says which losses are too high.
      scale: of the loss, in fp16.
      clip: largest norm of the gradient.
      ema: averages to update with the weights.
      buffers: to be put back after a bad step.
      num_ranks: over how many ranks the loss is averaged.
      reads_late: whether the device decides, and the host hears of it a step later.
    """

    optimizer: torch.optim.Optimizer
    parameters: list[nn.Parameter]
    watch: Watch
    scale: LossScale | None
    clip: float | None
    ema: Ema | None
    buffers: KeptBuffers
    num_ranks: int
    reads_late: bool
    _loss: torch.Tensor | None = None
    _reduction: Any = None

    def before_backward(self, loss: torch.Tensor, *, is_last: bool) -> torch.Tensor:
        """Note a microbatch's share of the loss; returns what to call `backward` on.

        The loss is added up over ranks while the last backward pass runs.
        """
        share = loss.detach()
        self._loss = share if self._loss is None else self._loss + share
        if is_last and self.num_ranks > 1:
            self._loss = self._loss.float() / self.num_ranks
            self._reduction = distributed.all_reduce(self._loss, async_op=True)
        return loss if self.scale is None else loss * self.scale.value

    def update(self, step: int) -> torch.Tensor:
        """Apply the gradients, unless they or the loss are bad, or the step is to be left out.

        Returns: the gradient's norm.
        """
        loss = self._mean_loss()
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        if self.scale is not None:
            self.scale.unscale(gradients)
        norm = _whole(nn.utils.get_total_norm(gradients))
        if self.reads_late:
            self._on_device(step, loss, norm)
        else:
            self._on_host(step, loss, norm)
        return norm

    def _on_host(self, step: int, loss: torch.Tensor, norm: torch.Tensor) -> None:
        factor = 1.0 if self.scale is None else self.scale.value.item()
        reading = Reading(step, loss.item(), norm.item(), self.watch.limit, factor)
        if reading.wrong or self.watch.leaves_out(step):
            self.optimizer._opt_called = True  # type: ignore[attr-defined]  # else a schedule warns of a missing step
            self.buffers.put_back()
        else:
            self._clip(norm)
            self.optimizer.step()
            if self.ema is not None:
                self.ema.update(step + 1)
            self.buffers.keep()
        if self.scale is not None:
            self.scale.update(torch.full_like(norm, reading.is_overflow))
        self.watch.add(reading)

    def _on_device(self, step: int, loss: torch.Tensor, norm: torch.Tensor) -> None:
        limit = self.watch.limit
        loss = loss.float().reshape(())
        is_finite = torch.isfinite(norm)
        is_bad = ~(is_finite & torch.isfinite(loss) & (loss <= limit))
        if self.watch.leaves_out(step):
            is_bad = torch.ones_like(is_bad)
        self._clip(norm)
        self.optimizer.found_inf = is_bad.float()  # type: ignore[attr-defined]  # the seam torch's scaler uses
        self.optimizer.grad_scale = None  # type: ignore[attr-defined]
        try:
            self.optimizer.step()
        finally:
            del self.optimizer.found_inf, self.optimizer.grad_scale  # type: ignore[attr-defined]
        if self.ema is not None:
            self.ema.update(step + 1, unless=is_bad)
        self.buffers.choose(is_bad)
        factor = torch.ones_like(norm) if self.scale is None else self.scale.value
        self.watch.add_late(step, torch.stack([loss, norm, factor]), limit)
        if self.scale is not None:
            self.scale.update((~is_finite & torch.isfinite(loss)).float())

    def _mean_loss(self) -> torch.Tensor:
        assert self._loss is not None
        if self._reduction is not None:
            self._reduction.wait()
        loss, self._loss, self._reduction = self._loss, None, None
        return loss

    def _clip(self, norm: torch.Tensor) -> None:
        if self.clip is not None:
            nn.utils.clip_grads_with_norm_(self.parameters, self.clip, norm)


def _whole(norm: torch.Tensor) -> torch.Tensor:
    """The norm over all shards, where the gradient is sharded. Collective then."""
    gather = getattr(norm, "full_tensor", None)
    return norm if gather is None else gather()
