"""Other optimizers in the place of a recipe's, for comparison: AdamW, Muon, Schedule-Free.

A rival takes over parameters, weight decay and learning rate of each of the recipe's groups. It follows the recipe's
schedule, which goes on moving the recipe's own optimizer: a group's learning rate is that of the recipe's group times a
factor. Schedule-Free follows none: it has the rate that the recipe gave its optimizer, and a short warm-up of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import torch
from torch import nn

from drivetrain.core.errors import ConfigError
from drivetrain.core.extras import require
from drivetrain.core.trials import Rival

_WARMUP_SHARE = 0.05  # of the steps, for Schedule-Free
_WARMUP_STEPS = 20  # where the recipe's schedule does not say how many there are


def make(
    name: Rival, network: nn.Module, lead: torch.optim.Optimizer, *, factor: float, schedule: Any
) -> torch.optim.Optimizer:
    """The rival that takes the place of `lead`.

    Args:
      lead: the recipe's optimizer; it is asked for its learning rates at each step, and never steps itself.
      factor: multiplies them.
      schedule: the recipe's, which may tell how many steps there will be; None where it has none.
    Raises:
      ConfigError: the network has nothing that Muon could train, or is sharded.
      MissingExtraError: schedulefree is not installed.
    """
    lead._opt_called = True  # type: ignore[attr-defined]  # else its schedule warns that it never steps
    if name == "schedulefree":
        return ScheduleFree(lead, factor, _num_warmup(schedule))
    return Follower(lead, factor, _MAKERS[name](network, lead))


def hold(optimizer: torch.optim.Optimizer | None) -> None:
    """Training is over: an optimizer that evaluates other weights than it trains puts those in place."""
    if isinstance(optimizer, ScheduleFree):
        optimizer.inner.eval()


class Follower(torch.optim.Optimizer):
    """Optimizers that share the parameters of another one and follow its learning rates.

    Its groups are the other's, so that clipping sees each parameter once and under its own shape.
    """

    def __init__(self, lead: torch.optim.Optimizer, factor: float, parts: list[Part]) -> None:
        super().__init__([{"params": group["params"]} for group in lead.param_groups], {})
        self._lead, self._factor, self._parts = lead, factor, parts

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update all weights once. Raises ValueError: a closure was given."""
        if closure is not None:
            raise ValueError("a trial's optimizer takes no closure")
        for part in self._parts:
            part.step(self._lead, self._factor)
        return None


class Part:
    """One inner optimizer; its groups name the lead's group that they follow.

    Args:
      matrices: parameters that it sees as two-dimensional views of the same memory, with those views.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, matrices: list[tuple[nn.Parameter, nn.Parameter]] | None = None
    ) -> None:
        self._optimizer, self._matrices = optimizer, matrices or []

    def step(self, lead: torch.optim.Optimizer, factor: float) -> None:
        """Update its share of the weights."""
        for group in self._optimizer.param_groups:
            group["lr"] = factor * lead.param_groups[group["lead"]]["lr"]
        for parameter, matrix in self._matrices:
            matrix.grad = None if parameter.grad is None else parameter.grad.reshape(matrix.shape)
        self._optimizer.step()


class ScheduleFree(torch.optim.Optimizer):
    """Schedule-Free AdamW (arXiv:2405.15682), which averages its weights instead of lowering the learning rate."""

    def __init__(self, lead: torch.optim.Optimizer, factor: float, num_warmup: int) -> None:
        package = require("schedulefree", extra="tune")
        super().__init__([{"params": group["params"]} for group in lead.param_groups], {})
        groups = [
            {"params": group["params"], "weight_decay": group.get("weight_decay", 0.0)} for group in lead.param_groups
        ]
        rate = factor * float(lead.defaults["lr"])
        self.inner = package.AdamWScheduleFree(groups, lr=rate, warmup_steps=num_warmup)
        self.inner.train()

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update all weights once. Raises ValueError: a closure was given."""
        if closure is not None:
            raise ValueError("a trial's optimizer takes no closure")
        self.inner.step()
        return None


def _adamw(_network: nn.Module, lead: torch.optim.Optimizer) -> list[Part]:
    return [Part(torch.optim.AdamW(_groups(lead, lambda _: True)))]


def _muon(network: nn.Module, lead: torch.optim.Optimizer) -> list[Part]:
    """Muon for hidden matrices and kernels seen as matrices; AdamW for vectors, embeddings, the first and last layer.

    With torch's `match_rms_adamw` its updates are as large as AdamW's, so that learning rates and decay carry over.
    """
    hidden = _hidden(network)
    matrices = {p: nn.Parameter(p.detach().reshape(p.shape[0], -1)) for p in hidden}
    if any(matrix.data_ptr() != p.data_ptr() for p, matrix in matrices.items()):
        raise ConfigError("muon needs contiguous weights, held whole by each rank")
    groups = _groups(lead, matrices.__contains__)
    if not groups:
        raise ConfigError("muon trains the matrices between the first and the last layer, and this network has none")
    seen = [(p, matrices[p]) for group in groups for p in group["params"]]
    for group in groups:
        group["params"] = [matrices[p] for p in group["params"]]
    rest = _groups(lead, lambda p: p not in matrices)
    return [
        Part(torch.optim.Muon(groups, adjust_lr_fn="match_rms_adamw"), seen),
        *([Part(torch.optim.AdamW(rest))] if rest else []),
    ]


_MAKERS: dict[str, Callable[[nn.Module, torch.optim.Optimizer], list[Part]]] = {"adamw": _adamw, "muon": _muon}


def _hidden(network: nn.Module) -> list[nn.Parameter]:
    embeddings = {id(m.weight) for m in network.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag)}
    matrices = [p for p in network.parameters() if p.ndim >= 2 and id(p) not in embeddings]
    return matrices[1:-1]


def _groups(lead: torch.optim.Optimizer, belongs: Callable[[nn.Parameter], bool]) -> list[dict[str, Any]]:
    """The lead's groups with the parameters that belong, without those that are left empty."""
    found = []
    for index, group in enumerate(lead.param_groups):
        chosen = [p for p in group["params"] if belongs(p)]
        if chosen:
            found.append({"params": chosen, "weight_decay": group.get("weight_decay", 0.0), "lead": index})
    return found


def _num_warmup(schedule: Any) -> int:
    num_steps = getattr(schedule, "total_steps", None) or getattr(schedule, "T_max", None)
    return max(1, round(num_steps * _WARMUP_SHARE)) if isinstance(num_steps, int) else _WARMUP_STEPS
