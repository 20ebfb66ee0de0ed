"""What a rank that outlives its attempt remembers of it, and how the others get it: see docs/design/training.md."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed

from drivetrain.core import variables
from drivetrain.store import Tier
from drivetrain.train import boxes, state
from drivetrain.train.state import Parts
from drivetrain.train.topology import Topology
from drivetrain.train.trees import Tensors


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of the state a rank has.

    Attributes:
      number: from 0.
      num_parts: into how many the state is divided; 1 where every rank has all of it.
    """

    number: int
    num_parts: int

    @classmethod
    def of(cls, topology: Topology, num_parts: int) -> Part:
        """That of this rank: copies of the model follow each other, as in the mesh of `fsdp`."""
        return cls(topology.rank % num_parts, num_parts)


@dataclass(frozen=True, slots=True)
class Outline:
    """All of a part but its tensors' data; the same on every rank that has the part.

    Attributes:
      step: steps finished.
      world_size: of the attempt in which it was made.
      tier: what the state has in common with that of a run that never stopped, see store.CheckpointManifest.
      shared: all that is no tensor.
      shapes: by the tensor's name: of the whole, and of what this part has of it.
      kinds: of each part of a tensor: its strides, dtype and device type. An update does not add up in the same order
        in another memory layout.
    """

    step: int
    world_size: int
    tier: Tier
    shared: dict[str, Any]
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    kinds: dict[str, tuple[tuple[int, ...], torch.dtype, str]]


@dataclass(frozen=True, slots=True)
class Held:
    """A part of a run's state as it was before a step, in the memory of this process.

    Attributes:
      tensors: what the rank has of each tensor, by name.
    """

    part: Part
    outline: Outline
    tensors: Tensors


@dataclass(frozen=True, slots=True)
class Offer:
    """What one rank brings to the beginning of an attempt.

    Attributes:
      part: the number of the part that this rank is to have.
      held_step: the step of that part in its memory; None when it has none.
      finished_step: the last step that this rank, as whichever process, is known to have finished, None when that is
        not known; of a rank that holds a state it is the step before it.
    """

    part: int
    held_step: int | None
    finished_step: int | None


def sources(offers: Sequence[Offer], saved_step: int) -> dict[int, int] | None:
    """From which rank's memory each part of the state comes; None to go on from the newest checkpoint.

    All that is held must be of one step, not older than the checkpoint; some rank must hold each part; and every rank
    must have finished the whole turn of the loop before it, so that nothing the program does in a turn is left out.

    Args:
      offers: by rank.
      saved_step: of the newest checkpoint; 0 when there is none.
    """
    held = {offer.held_step for offer in offers if offer.held_step is not None}
    if len(held) != 1:
        return None
    (step,) = held
    found: dict[int, int] = {}
    for rank, offer in enumerate(offers):
        if offer.held_step is not None:
            found.setdefault(offer.part, rank)
    is_whole = all(offer.finished_step is not None and offer.finished_step >= step - 1 for offer in offers)
    is_complete = all(offer.part in found for offer in offers)
    return found if is_whole and is_complete and step >= saved_step else None


def hold(
    parts: Parts, step: int, topology: Topology, num_parts: int, tier: Tier, buffers: Sequence[torch.Tensor]
) -> Held:
    """Remember the state before a step; the tensors are the live ones, not copies.

    Args:
      num_parts: into how many the state is divided among ranks.
      buffers: of the model as they were before the step, in the order of `model.buffers()`.
    """
    snapshot = state.collect(parts, topology.rank, topology.device)
    found = {name: tensor for name, tensor in snapshot.tensors.items() if not name.startswith("rank/")}
    for (name, _), before in zip(parts.model.named_buffers(), buffers, strict=True):
        if f"model/{name}" in found:
            found[f"model/{name}"] = before
    tensors = {name: _without_gaps(boxes.held(tensor).local) for name, tensor in found.items()}
    shapes = {name: (tuple(found[name].shape), tuple(tensor.shape)) for name, tensor in tensors.items()}
    kinds = {name: (tensor.stride(), tensor.dtype, tensor.device.type) for name, tensor in tensors.items()}
    outline = Outline(step, topology.world_size, tier, snapshot.shared, shapes, kinds)
    return Held(Part.of(topology, num_parts), outline, tensors)


def offer(topology: Topology, num_parts: int) -> Offer:
    """What this process brings, where the state is divided into so many parts.

    Of a state that was divided otherwise, or among another number of ranks, it can bring nothing. It speaks for ranks
    that are gone too, which may have no successor.
    """
    part = Part.of(topology, num_parts)
    step, finished = None, None
    if _held is not None:
        if _held.part == part and (num_parts == 1 or _held.outline.world_size == topology.world_size):
            step, finished = _held.outline.step, _held.outline.step - 1
    elif variables.AGAIN not in os.environ:
        finished = _known(variables.FINISHED_STEP)
    gone = _known(variables.GONE_STEP)
    if finished is not None and gone is not None:
        finished = min(finished, gone)
    return Offer(part.number, step, finished)


def _known(name: str) -> int | None:
    text = os.environ.get(name, "")
    return int(text) if text else None


def receive(found: Mapping[int, int], topology: Topology, num_parts: int, parts: Parts) -> tuple[int, Tier]:
    """Put the state of the sources into `parts` on every rank. Collective.

    Args:
      found: the source of each part, as `sources` gives it.
    Returns: the step it is of, and its tier from here on.
    """
    number = Part.of(topology, num_parts).number
    source, group = found[number], _group(topology, number, num_parts)
    mine = _held if topology.rank == source else None
    outline = topology.share(None if mine is None else mine.outline, source=source, group=group)
    assert outline is not None
    tensors = {name: _arrived(name, outline, source, topology, group) for name in outline.shapes}
    live = state.in_place(parts, {name: whole for name, (whole, _) in outline.shapes.items()})
    with torch.no_grad():
        for name, target in live.items():
            boxes.held(target).local.copy_(tensors[name])
    owners = state.parameters_of(parts, outline.shared)
    rest = {name: boxes.around(tensor, owners.get(name)) for name, tensor in tensors.items() if name not in live}
    state.restore(parts, outline.shared, {**rest, **live})
    return outline.step, outline.tier if outline.world_size == topology.world_size else "samples"


def _arrived(
    name: str, outline: Outline, source: int, topology: Topology, group: distributed.ProcessGroup | None
) -> torch.Tensor:
    """A part of a tensor, from the source; who holds it already, holds the same, and receives it in place."""
    tensor = None if _held is None or _held.outline.step != outline.step else _held.tensors.get(name)
    stride, dtype, device = outline.kinds[name]
    if tensor is None or tensor.stride() != stride:
        tensor = torch.empty_strided(outline.shapes[name][1], stride, dtype=dtype, device=device)
    if tensor.numel() and topology.world_size > 1:
        distributed.broadcast(tensor.as_strided((tensor.numel(),), (1,)).view(torch.uint8), src=source, group=group)
    return tensor


def _without_gaps(tensor: torch.Tensor) -> torch.Tensor:
    """Itself where its numbers fill its memory, in whatever order (channels last, say), else a copy."""
    return tensor if torch.empty_like(tensor, device="meta").stride() == tensor.stride() else tensor.contiguous()


def _group(topology: Topology, number: int, num_parts: int) -> distributed.ProcessGroup | None:
    """The ranks that have the same part; None for all. Collective."""
    if num_parts == 1:
        return None
    groups: list[distributed.ProcessGroup] = [
        distributed.new_group(list(range(part, topology.world_size, num_parts))) for part in range(num_parts)
    ]
    return groups[number]


_held: Held | None = None


def remember(held: Held | None) -> None:
    """Keep this for the next attempt of this process, instead of what was kept before."""
    global _held
    _held = held
