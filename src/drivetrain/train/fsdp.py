"""Each rank holds a part of every weight, gradient and optimizer state: fully sharded data parallel, torch's FSDP2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import CPUOffloadPolicy, FSDPModule, OffloadPolicy, fully_shard

from drivetrain.core.errors import ConfigError, UsageError
from drivetrain.train import buffers
from drivetrain.train.blocks import find_blocks
from drivetrain.train.settings import Fsdp
from drivetrain.train.topology import Topology


class Sharded:
    """A network whose blocks are gathered when they are needed; type, methods and names stay the user's. Collective.

    Rank 0's weights and buffers are taken, and the optimizer then holds the parts instead of the whole.
    """

    def __init__(self, network: nn.Module, optimizer: torch.optim.Optimizer, choice: Fsdp, topology: Topology) -> None:
        _check(network, optimizer, choice, topology)
        blocks = find_blocks(network, choice.wrap)
        _refuse_split_ties(network, blocks)
        buffers.broadcast([*network.parameters(), *network.buffers()])
        names = {id(parameter): name for name, parameter in network.named_parameters()}
        self._mesh = mesh = _mesh(choice, topology)
        offload = CPUOffloadPolicy(pin_memory=True) if choice.offload else OffloadPolicy()
        for block in blocks:
            fully_shard(block, mesh=mesh, reshard_after_forward=choice.reshard, offload_policy=offload)
        fully_shard(network, mesh=mesh, offload_policy=offload)  # the root's are needed at once: it keeps them
        _repoint(optimizer, names, dict(network.named_parameters()))
        assert isinstance(network, FSDPModule)
        self._network, self._module = network, network
        self._even_buffers = buffers.evener(network)

    def sync_next(self, is_last: bool) -> None:
        """Whether the next backward averages gradients over ranks, or only adds up whole ones on each."""
        self._module.set_requires_gradient_sync(is_last)
        self._module.set_is_last_backward(is_last)

    def settle(self) -> None:
        """After the last backward of a step: buffers are the same on every rank. Collective."""
        if self._even_buffers is not None:
            self._even_buffers()

    def discard(self) -> None:
        """Forget the gradients of a step that is not going to be finished."""
        self._module.reset_iter_state()
        self._network.zero_grad()

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Every rank has all weights while the block runs. Collective on entry, and forwards inside are not."""
        sharded = [module for module in self._network.modules() if isinstance(module, FSDPModule)]
        groups = [group for module in sharded for group in module._get_fsdp_state()._fsdp_param_groups]
        kept = [group.post_forward_mesh_info for group in groups]
        for module in sharded:
            module.unshard()
            module.set_reshard_after_forward(False, recurse=False)
        try:
            yield
        finally:
            for module in sharded:
                _divide(module)
            for group, mesh_info in zip(groups, kept, strict=True):  # torch has a setter, but it takes no number
                group.post_forward_mesh_info = mesh_info

    def release(self) -> None:
        """Let go of the mesh's process groups; the network cannot train any more.

        Torch's caches of operations hold the mesh for ever, the mesh holds the groups, and peers that wait for this
        rank learn only from closed connections that it has left.
        """
        root = self._mesh._root_mesh or self._mesh
        root._pg_registry.clear()


def _check(network: nn.Module, optimizer: torch.optim.Optimizer, choice: Fsdp, topology: Topology) -> None:
    if isinstance(network, FSDPModule):
        raise UsageError("the network is sharded already", hint="build a new one for each dt.Run")
    if optimizer.state:
        raise ConfigError(
            "the optimizer has made steps already, and its state cannot be divided among ranks",
            hint="give run.setup an optimizer that is new",
        )
    if choice.offload and topology.device.type != "cuda":
        raise ConfigError(f"offload is True, but the model is on {topology.device} already", hint="leave it out")


def _divide(module: FSDPModule) -> None:
    """Free what `unshard` has gathered. Raises UsageError: NumPy still looks at it, which pins torch's memory."""
    try:
        module.reshard()
    except RuntimeError as exc:
        if "not resizable" not in str(exc):
            raise
        raise UsageError(
            "a weight was given to NumPy inside run.whole, so that its memory cannot be freed",
            hint="copy it first: weight.detach().clone().numpy()",
        ) from exc


def _mesh(choice: Fsdp, topology: Topology) -> DeviceMesh:
    num_shards = topology.world_size // choice.replicate
    kind = topology.device.type
    if choice.replicate == 1:
        return init_device_mesh(kind, (num_shards,), mesh_dim_names=("shard",))
    return init_device_mesh(kind, (choice.replicate, num_shards), mesh_dim_names=("replicate", "shard"))


def _refuse_split_ties(network: nn.Module, blocks: Sequence[nn.Module]) -> None:
    """Raise ConfigError when two blocks, or a block and the rest, share a parameter: sharding would make it two."""
    owners: dict[int, nn.Module] = {}
    names: dict[int, str] = {}
    of_block = {id(module): block for block in reversed(blocks) for module in block.modules()}
    for prefix, module in network.named_modules():
        owner = of_block.get(id(module), network)
        for name, parameter in module.named_parameters(prefix, recurse=False):
            if owners.setdefault(id(parameter), owner) is not owner:
                raise ConfigError(
                    f"{names[id(parameter)]} and {name} are one parameter, but in different blocks",
                    hint="choose the blocks with dt.Fsdp(wrap=...) so that one of them holds both, or neither does",
                )
            names.setdefault(id(parameter), name)


def _repoint(
    optimizer: torch.optim.Optimizer, names: Mapping[int, str], parameters: Mapping[str, nn.Parameter]
) -> None:
    for group in optimizer.param_groups:
        group["params"] = [parameters[names[id(parameter)]] for parameter in group["params"]]
