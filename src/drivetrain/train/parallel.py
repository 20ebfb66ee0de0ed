"""One model becomes the same model on many ranks."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from drivetrain.core.errors import ConfigError
from drivetrain.train.settings import Parallel
from drivetrain.train.topology import Topology


class SteadyDDP(DistributedDataParallel):
    """DDP whose gradient buckets are the same in the first step as in all later ones.

    Torch's own puts all gradients into one bucket for the first step and then lays them out anew in the order in which
    they arrived. With three ranks or more the order of a sum depends on where in a bucket a number lies, so that a
    resumed run, which has a first step again, would differ from one that never stopped. Here they are laid out once,
    before the first step, last parameters first: about the order in which a backward pass makes them.
    """

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        super().__init__(module, device_ids=[device] if device.type == "cuda" else None, gradient_as_bucket_view=True)
        self.reducer._push_all_rebuilt_params()  # as if all gradients had arrived, in the reducer's order
        self._has_rebuilt_buckets = self.reducer._rebuild_buckets()

    def release(self) -> None:
        """Let go of the process group; the model cannot train any more.

        Were its reducer the last to hold the group, gloo's threads would be joined with the interpreter locked, and one
        that has just finished a collective may be waiting for that lock, to free a tensor: neither would ever end.
        """
        del self.reducer, self.logger

    def _build_params_for_reducer(self) -> tuple[list[nn.Parameter], list[bool]]:
        parameters, sparse = super()._build_params_for_reducer()  # type: ignore[no-untyped-call]  # torch has no types here
        return parameters[::-1], sparse[::-1]


def resolve(parallel: Parallel, world_size: int) -> Literal["single", "ddp"]:
    """What `auto` means for this many ranks; `ddp` of one rank is a plain model.

    Raises: ConfigError: `single` and several ranks disagree.
    """
    if parallel == "single" and world_size > 1:
        raise ConfigError(
            f"parallel is 'single' but there are {world_size} ranks",
            hint='use parallel="ddp", or start one rank',
        )
    return "ddp" if world_size > 1 else "single"


def spread(model: nn.Module, parallel: Literal["single", "ddp"], topology: Topology) -> nn.Module:
    """The model to call: itself, or a wrapper that adds up gradients of all ranks. Collective."""
    return SteadyDDP(model, topology.device) if parallel == "ddp" else model
