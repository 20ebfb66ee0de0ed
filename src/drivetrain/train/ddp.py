"""The same weights on every rank: each computes its part, and backward averages the gradients."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from drivetrain.core.errors import UsageError
from drivetrain.train import buffers, forwards
from drivetrain.train.forwards import Forward


class Ddp:
    """DDP inside the network: calling the network is calling DDP; type, methods and names stay the user's. Collective.

    Rank 0's weights and buffers are on every rank when this is made.
    """

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self._network = network
        self._ddp = _SteadyDDP(network, device)
        self._even_buffers = buffers.evener(network)
        self._is_called = False  # whether a forward has prepared the averaging that a backward then does
        forwards.wrap(network, self._around)

    def sync_next(self, is_last: bool) -> None:
        """Whether the next backward averages gradients over ranks, or only adds them up on each."""
        self._ddp.require_backward_grad_sync = is_last

    def settle(self) -> None:
        """After the last backward of a step: gradients and buffers are the same on every rank. Collective.

        Raises: UsageError: no backward can have averaged them, because the network was not called.
        """
        if not self._is_called:
            raise UsageError(
                "the loss did not come from calling the model, so gradients would not be averaged over ranks",
                hint="compute it with model(...); other methods of the model may be called from its forward",
            )
        self._is_called = False
        if self._even_buffers is not None:
            self._even_buffers()

    def discard(self) -> None:
        """Forget the gradients of a step that is not going to be finished."""
        self._network.zero_grad()

    def whole(self) -> AbstractContextManager[None]:
        """Every rank has all weights as it is."""
        return nullcontext()

    def release(self) -> None:
        """Let go of the process group; the network is then on its own.

        Were its reducer the last to hold the group, gloo's threads would be joined with the interpreter locked, and one
        that has just finished a collective may be waiting for that lock, to free a tensor: neither would ever end.
        """
        forwards.peel(self._network)
        del self._ddp.reducer, self._ddp.logger

    def _around(self, inner: Forward) -> Forward:
        ddp = self._ddp
        ddp.inner = inner
        is_grad_enabled, call = torch.is_grad_enabled, ddp.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            if ddp.require_backward_grad_sync and is_grad_enabled():
                self._is_called = True
            return call(*args, **kwargs)  # type: ignore[no-untyped-call]  # torch has no types here

        return forward


class _SteadyDDP(DistributedDataParallel):
    """DDP whose gradient buckets are the same in the first step as in all later ones.

    Torch's own puts all gradients into one bucket for the first step and then lays them out anew in the order in which
    they arrived. With three ranks or more the order of a sum depends on where in a bucket a number lies, so that a
    resumed run, which has a first step again, would differ from one that never stopped. Here they are laid out once,
    before the first step, last parameters first: about the order in which a backward pass makes them.

    Attributes:
      inner: the network's own forward.
    """

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        super().__init__(
            network,
            device_ids=[device] if device.type == "cuda" else None,
            gradient_as_bucket_view=True,
            forward_sync_buffers=False,
        )
        self.reducer._push_all_rebuilt_params()  # as if all gradients had arrived, in the reducer's order
        self._has_rebuilt_buckets = self.reducer._rebuild_buckets()
        self.inner: Forward = network.forward

    def _run_ddp_forward(self, *args: Any, **kwargs: Any) -> Any:
        with self._inside_ddp_forward():
            return self.inner(*args, **kwargs)  # not the module: its forward is what called us

    def _build_params_for_reducer(self) -> tuple[list[nn.Parameter], list[bool]]:
        parameters, sparse = super()._build_params_for_reducer()  # type: ignore[no-untyped-call]  # torch has no types here
        return parameters[::-1], sparse[::-1]
