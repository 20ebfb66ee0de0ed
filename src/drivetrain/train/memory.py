"""What a rank that outlives its attempt remembers of it, and how the others get it: see docs/design/training.md."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed, nn

from drivetrain.core import variables
from drivetrain.launch import Control, Stay, current_control
from drivetrain.train import randomness, state
from drivetrain.train.position import Position
from drivetrain.train.settings import Tier
from drivetrain.train.state import Parts
from drivetrain.train.topology import Topology


@dataclass(frozen=True, slots=True)
class Held:
    """The state of a run as it was before a step.

    Attributes:
      step: steps finished.
      world_size: of the attempt in which it was made.
      tier: what the state has in common with that of a run that never stopped, see store.CheckpointManifest.
      shared: all that is no tensor.
      tensors: by name, on the rank's device; equal on all ranks.
    """

    step: int
    world_size: int
    tier: Tier
    shared: dict[str, Any]
    tensors: dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Offer:
    """What one rank brings to the beginning of an attempt.

    Attributes:
      held_step: the step of the state in its memory; None when it has none.
      finished_step: the last step that this rank, as whichever process, is known to have finished, None when that is
        not known; of a rank that holds a state it is the step before it.
    """

    held_step: int | None
    finished_step: int | None


def source(offers: Sequence[Offer], saved_step: int) -> int | None:
    """The rank whose memory all ranks go on from, or None for the newest checkpoint.

    All that is held must be of one step, and every rank must have finished the whole turn of the loop before it, so
    that nothing the program does in a turn is left out; and it must not be older than the checkpoint.

    Args:
      offers: by rank.
      saved_step: of the newest checkpoint; 0 when there is none.
    """
    held = {offer.held_step for offer in offers if offer.held_step is not None}
    if len(held) != 1:
        return None
    (step,) = held
    is_whole = all(offer.finished_step is not None and offer.finished_step >= step - 1 for offer in offers)
    if step < saved_step or not is_whole:
        return None
    return next(rank for rank, offer in enumerate(offers) if offer.held_step is not None)


def stay(leave: Callable[[], None], topology: Topology) -> Control | None:
    """Tell the launcher, if there is one, that this process can go on in another attempt once it has called `leave`."""
    control = current_control()
    if control is not None:
        control.keep(Stay(leave, topology.abort, topology.evidence))
    return control


class StepStart:
    """What a rank with peers does before each step, so that any of them can take over the state of another.

    The generators become a function of (seed, rank, step), and buffers, which a forward pass changes before there is an
    update, are copied.
    """

    def __init__(self, model: nn.Module, seeds: randomness.StepSeeds) -> None:
        self._seeds = seeds
        self._live = list(model.buffers())
        self._copies = [buffer.detach().clone() for buffer in self._live]
        self._step = -1

    def __call__(self, step: int) -> None:
        """Before the batch of a step is fetched."""
        self._seeds(step)
        self._step = step
        if self._live:
            torch._foreach_copy_(self._copies, self._live)

    def buffers_before(self, step: int) -> list[torch.Tensor]:
        """The model's, in the order of `model.buffers()`, as they were before the step at hand or the next one."""
        return self._copies if step == self._step else self._live


def hold(parts: Parts, position: Position, topology: Topology, tier: Tier, buffers: Sequence[torch.Tensor]) -> Held:
    """Remember the state before a step; the tensors are the live ones, not copies.

    Args:
      buffers: of the model as they were before the step, in the order of `model.buffers()`.
    """
    snapshot = state.collect(parts, topology.rank, topology.device)
    tensors = {name: tensor for name, tensor in snapshot.tensors.items() if not name.startswith("rank/")}
    for (name, _), before in zip(parts.model.named_buffers(), buffers, strict=True):
        if f"model/{name}" in tensors:
            tensors[f"model/{name}"] = before
    return Held(position.step, topology.world_size, tier, snapshot.shared, tensors)


def offer() -> Offer:
    """What this process brings; it speaks for ranks that are gone too, which may have no successor."""
    if _held is not None:
        finished: int | None = _held.step - 1
    else:
        finished = _known(variables.FINISHED_STEP) if variables.AGAIN not in os.environ else None
    gone = _known(variables.GONE_STEP)
    if finished is not None and gone is not None:
        finished = min(finished, gone)
    return Offer(None if _held is None else _held.step, finished)


def _known(name: str) -> int | None:
    text = os.environ.get(name, "")
    return int(text) if text else None


def receive(source_rank: int, topology: Topology, parts: Parts) -> Held:
    """Put the source's state into `parts` on every rank. Collective.

    Returns: what was received.
    """
    is_source = topology.rank == source_rank
    mine = _held if is_source else None
    ours = {} if mine is None else {name: _without_gaps(tensor) for name, tensor in mine.tensors.items()}
    sent = () if mine is None else (mine.step, mine.world_size, mine.tier, mine.shared, _layouts(ours))
    step, world_size, tier, shared, layouts = topology.share(sent, source=source_rank)  # type: ignore[misc]
    tensors = {}
    for name, (shape, stride, dtype, device) in layouts.items():
        tensor = torch.empty_strided(shape, stride, dtype=dtype, device=device) if mine is None else ours[name]
        if tensor.numel() and topology.world_size > 1:
            distributed.broadcast(tensor.as_strided((tensor.numel(),), (1,)).view(torch.uint8), src=source_rank)
        tensors[name] = tensor
    with torch.no_grad():
        for name, live in state.in_place(
            parts, {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        ).items():
            live.copy_(tensors[name])
    state.restore(parts, shared, tensors)
    if world_size != topology.world_size:
        tier = "samples"
    return Held(step, world_size, tier, shared, tensors)


def _without_gaps(tensor: torch.Tensor) -> torch.Tensor:
    """Itself where its numbers fill its memory, in whatever order (channels last, say), else a copy."""
    return tensor if torch.empty_like(tensor, device="meta").stride() == tensor.stride() else tensor.contiguous()


def _layouts(
    tensors: dict[str, torch.Tensor],
) -> dict[str, tuple[tuple[int, ...], tuple[int, ...], torch.dtype, str]]:
    return {name: (tuple(each.shape), each.stride(), each.dtype, each.device.type) for name, each in tensors.items()}


_held: Held | None = None


def remember(held: Held | None) -> None:
    """Keep this for the next attempt of this process, instead of what was kept before."""
    global _held
    _held = held
