"""One model becomes the same model on many ranks."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal, Protocol

import torch
from torch import nn

from drivetrain.core.errors import ConfigError
from drivetrain.train.settings import Fsdp, Parallel
from drivetrain.train.topology import Topology

Way = Literal["single", "ddp"] | Fsdp


class Replica(Protocol):
    """What a rank does around the user's network so that all ranks train one model."""

    def sync_next(self, is_last: bool) -> None:
        """Before a microbatch: whether its backward is the step's last, after which gradients are averaged."""
        ...

    def settle(self) -> None:
        """After the last backward of a step, before the update. Collective."""
        ...

    def discard(self) -> None:
        """Forget the gradients of a step that is not going to be finished."""
        ...

    def whole(self) -> AbstractContextManager[None]:
        """Every rank has all weights while the block runs. Collective on entry."""
        ...

    def release(self) -> None:
        """Let go of the process group, when nobody fails."""
        ...


def resolve(parallel: Parallel, world_size: int, ranks_per_node: int) -> Way:
    """What was chosen for this many ranks: `auto` is `ddp`, `hsdp` shards inside a node and copies across nodes.

    On one node `hsdp` keeps two copies. One rank is always a plain model.
    Raises: ConfigError: the choice does not fit the number of ranks.
    """
    if parallel == "single" and world_size > 1:
        raise ConfigError(
            f"parallel is 'single' but there are {world_size} ranks",
            hint='use parallel="ddp", or start one rank',
        )
    if world_size == 1:
        return "single"
    if parallel == "hsdp":
        num_nodes = world_size // ranks_per_node
        parallel = Fsdp(replicate=num_nodes if num_nodes > 1 else 2)
    elif parallel == "fsdp":
        parallel = Fsdp()
    if not isinstance(parallel, Fsdp):
        return "ddp"
    _check_mesh(parallel, world_size)
    return parallel


def num_parts(way: Way, world_size: int) -> int:
    """Into how many parts the state is divided among ranks; 1 where each rank has all of it."""
    return world_size // way.replicate if isinstance(way, Fsdp) else 1


def spread(network: nn.Module, optimizer: torch.optim.Optimizer, way: Way, topology: Topology) -> Replica | None:
    """Make the network one of many, in place; the optimizer is given the parts where it is sharded. Collective.

    Returns: None for a rank alone, which has nothing to agree on.
    Raises: ConfigError: the network cannot be divided as was chosen.
    """
    if way == "single":
        return None
    if way == "ddp":
        from drivetrain.train.ddp import Ddp  # slow to import, and a rank alone needs neither of them

        return Ddp(network, topology.device)
    from drivetrain.train.fsdp import Sharded

    return Sharded(network, optimizer, way, topology)


def _check_mesh(choice: Fsdp, world_size: int) -> None:
    num_shards, rest = divmod(world_size, choice.replicate)
    if rest:
        raise ConfigError(
            f"{world_size} ranks cannot be divided into {choice.replicate} copies of the model",
            hint=f"use dt.Fsdp(replicate=...) with a number that divides {world_size}",
        )
    if not isinstance(choice.reshard, bool) and num_shards % choice.reshard:
        raise ConfigError(
            f"reshard is {choice.reshard}, but a copy of the model has {num_shards} parts",
            hint=f"use True, False, or a number that divides {num_shards}",
        )
