"""A moving average of the weights, which often generalises better than the last weights do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class Ema:
    """Averaged copies of a model's parameters.

    The decay rises to its full value as `(1 + n) / (10 + n)` over the first steps, so that the random weights of the
    beginning are forgotten (as TensorFlow's ExponentialMovingAverage does). Buffers are not averaged.

    Attributes:
      weights: the averages, by parameter name; in place, so that a checkpoint can load into them.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.is_floating_point()]
        self._decay = decay
        self._parameters: list[torch.Tensor] = [parameter for _, parameter in named]
        self.weights = {name: parameter.detach().clone() for name, parameter in named}
        self._averages = list(self.weights.values())

    @torch.no_grad()
    def update(self, num_steps: int, unless: torch.Tensor | None = None) -> None:
        """Take in the weights after `num_steps` steps; not where `unless`, a boolean on the device, is true."""
        decay = min(self._decay, (1 + num_steps) / (10 + num_steps))
        if unless is None:
            torch._foreach_lerp_(self._averages, self._parameters, 1 - decay)
        else:
            share = torch.where(unless, 0.0, 1 - decay)
            torch._foreach_lerp_(self._averages, self._parameters, [share] * len(self._averages))

    def is_of(self, model: nn.Module) -> bool:
        """Whether these are averages of this model, or of the one it wraps."""
        held = {id(parameter) for parameter in model.parameters()}
        return all(id(parameter) in held for parameter in self._parameters)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Put the averages into the model while the block runs; do not train inside."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for parameter, average in zip(self._parameters, self._averages, strict=True):
            kept = parameter.clone()
            parameter.copy_(average)
            average.copy_(kept)
