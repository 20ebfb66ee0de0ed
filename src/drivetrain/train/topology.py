"""Where a rank stands: its number, its device, and the process group that joins it to the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar, cast

import torch
from torch import distributed
from torch._C._distributed_c10d import ProcessGroup, Store, TCPStore
from torch.distributed import distributed_c10d
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from drivetrain.core import variables
from drivetrain.core.errors import ConfigError, DrivetrainError, UsageError
from drivetrain.core.variables import whole_number
from drivetrain.train.sockets import Sockets

T = TypeVar("T")

_CONNECT = timedelta(seconds=60)
_COLLECTIVE = timedelta(minutes=30)  # torch's own; hangs are found by the launcher, long before


@dataclass(frozen=True, slots=True)
class Topology:
    """One rank's place.

    Attributes:
      rank: its index among all ranks.
      world_size: how many there are.
      local_rank: its index on its node.
      device: where its model lives.
      backend: what carries collectives between ranks, as `torch.distributed` names it.
      sockets: its connections to the others.
    """

    rank: int
    world_size: int
    local_rank: int
    device: torch.device
    backend: str
    sockets: Sockets = field(default_factory=Sockets, compare=False, repr=False)

    @classmethod
    def find(cls, device: str, env: Mapping[str, str] = os.environ) -> Topology:
        """Read what a launcher or torchrun told this process; alone, it is rank 0 of 1.

        Args:
          device: `auto` or a torch device.
          env: `RANK`, `WORLD_SIZE`, `LOCAL_RANK`, `LOCAL_WORLD_SIZE`; none of them when alone.
        Raises:
          UsageError: the variables are incomplete or contradict each other.
          ConfigError: there is no such device.
        """
        rank, world_size = whole_number(env, "RANK", 0), whole_number(env, "WORLD_SIZE", 1)
        local_rank = whole_number(env, "LOCAL_RANK", rank)
        if ("RANK" in env) != ("WORLD_SIZE" in env) or not 0 <= rank < world_size:
            raise UsageError(
                f"RANK is {env.get('RANK', 'not set')} and WORLD_SIZE is {env.get('WORLD_SIZE', 'not set')}, "
                "but a rank must be one of 0 to WORLD_SIZE - 1",
                hint="start ranks with `drivetrain run --ranks N -- python train.py`, or unset both",
            )
        chosen = _device(device, local_rank)
        num_sharing = whole_number(env, "LOCAL_WORLD_SIZE", world_size)
        return cls(rank, world_size, local_rank, chosen, _backend(chosen, num_sharing))

    def join(self) -> None:
        """Meet the other ranks; a no-op when there are none. Collective."""
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        if self.world_size > 1:
            if distributed.is_initialized():
                raise UsageError(
                    "this process is in a process group already, and dt.Run makes its own",
                    hint="leave out init_process_group, and close a dt.Run before making another",
                )
            with self.sockets.watched():
                self._meet()

    def _meet(self) -> None:
        # torchrun's store outlives a restart, and with it the addresses of ranks that are dead; without names of its
        # own for each try, every second restart fails to connect or waits for ever (torch 2.13).
        store = PrefixStore(f"try-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", self._store())
        # Groups are numbered, and a meeting that failed has taken a number that ranks which are new have not.
        distributed_c10d._world.group_count = 0
        distributed.init_process_group(
            self.backend, store=store, rank=self.rank, world_size=self.world_size, timeout=_COLLECTIVE
        )

    def _store(self) -> Store:
        """Where ranks meet: at the launcher's store, or, as torch has it, at rank 0's or torchrun's."""
        host, _, port = os.environ.get(variables.MEETING, "").rpartition(":")
        if host:
            return TCPStore(host, int(port), is_master=False, timeout=_CONNECT)
        store: Store = next(rendezvous("env://", self.rank, self.world_size))[0]
        return store

    def leave(self) -> None:
        """Let go of the process group, if there is one; waits for nobody."""
        if self.world_size > 1 and distributed.is_initialized():
            distributed.destroy_process_group()

    def abort(self) -> None:
        """Have collectives that wait, and the wait for ranks to meet, end with an error; for another thread."""
        if self.device.type == "cuda" and distributed.is_initialized():
            distributed_c10d._abort_process_group()
        self.sockets.shut()

    def evidence(self) -> dict[str, bytes]:
        """The latest collectives of this rank as torch's flight recorder has them, by file name."""
        found: bytes = torch._C._distributed_c10d._dump_fr_trace_json()  # type: ignore[attr-defined]  # torch's stubs lack it
        return {"collectives.json": found}

    def share(self, value: T, source: int = 0, group: ProcessGroup | None = None) -> T:
        """Rank 0's value, or another rank's, on every rank, or on those of a group. Collective; values must pickle."""
        if self.world_size == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=source, group=group, device=torch.device("cpu"))
        return box[0]

    def on_main(self, act: Callable[[], T]) -> T:
        """Rank 0 acts; every rank gets its result, or raises its error. Collective."""
        if self.world_size == 1:
            return act()
        result: T | None = None
        error: Exception | None = None
        if self.rank == 0:
            try:
                result = act()
            except DrivetrainError as exc:
                error = exc
            except Exception as exc:  # noqa: BLE001 - the others wait: whatever it is, they must hear of it
                error = RuntimeError(f"rank 0 failed: {type(exc).__name__}: {exc}")
        result, error = self.share((result, error))
        if error is not None:
            raise error
        return cast(T, result)

    def gather(self, value: T) -> list[T]:
        """Every rank's value, by rank, on every rank. Collective; values must pickle."""
        if self.world_size == 1:
            return [value]
        values: list[T | None] = [None] * self.world_size
        distributed.all_gather_object(values, value)
        return values  # type: ignore[return-value]  # the collective has filled it

    def all_sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum of all ranks' tensors, on the device `tensor` was on; the argument stays as it is. Collective."""
        total = tensor.detach().clone()
        if self.world_size > 1:
            distributed.all_reduce(total)
        return total


def _device(wanted: str, local_rank: int) -> torch.device:
    if wanted == "auto":
        num_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
        return torch.device("cuda", local_rank % num_devices) if num_devices else torch.device("cpu")
    try:
        device = torch.device(wanted)
        torch.empty(0, device=device)
    except (RuntimeError, TypeError, AssertionError) as exc:
        raise ConfigError(f"device is {wanted!r}, which this machine does not have: {exc}") from exc
    return torch.device("cuda", local_rank) if device == torch.device("cuda") else device


def _backend(device: torch.device, num_local_ranks: int) -> str:
    # NCCL refuses two ranks on one device; gloo copies through the host and takes them.
    if device.type == "cuda" and num_local_ranks <= torch.cuda.device_count():
        return "cpu:gloo,cuda:nccl"
    return "gloo"
