"""One of some ranks holds a state, and the others get it: `memory_ranks.py RANKS`; fails where anything differs."""

from __future__ import annotations

import sys

import rank_forks
import torch
import torch._dynamo  # what ranks would import, each for itself
from torch import nn
from torch.nn import functional

from drivetrain.train import memory
from drivetrain.train.ema import Ema
from drivetrain.train.feed import open_feed
from drivetrain.train.state import Parts
from drivetrain.train.topology import Topology


class Net(nn.Module):
    """With weights and buffers of every shape and kind."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.coarse = nn.Linear(8, 4).to(torch.bfloat16)
        self.scale = nn.Parameter(torch.rand(()))
        self.nothing = nn.Parameter(torch.empty(0, 5))
        self.register_buffer("phase", torch.randn(3, dtype=torch.complex64))
        self.to(memory_format=torch.channels_last)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.coarse(self.norm(self.conv(x)).mean((2, 3)).to(torch.bfloat16)).float() * self.scale


class Count:
    """A further part with a state."""

    def __init__(self) -> None:
        self.number, self.seen = 0, torch.zeros(())

    def state_dict(self) -> dict[str, object]:
        return {"number": self.number, "seen": self.seen}

    def load_state_dict(self, state: dict[str, object]) -> None:
        self.number, self.seen = state["number"], state["seen"]


def parts_of(topology: Topology, seed: int) -> Parts:
    torch.manual_seed(seed)
    network = Net()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1 + seed)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    feed = open_feed([torch.zeros(2)], topology, None)
    return Parts(network, optimizer, schedule, Ema(network, 0.9), feed, {"count": Count()})


def go_on(parts: Parts, num_steps: int) -> None:
    for _ in range(num_steps):
        x = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(parts.extras["count"].number))
        functional.mse_loss(parts.model(x), torch.ones(4, 4)).backward()
        parts.optimizer.step()
        parts.optimizer.zero_grad()
        parts.schedule.step()
        parts.extras["count"].number += 1
        parts.ema.update(parts.extras["count"].number)
        parts.extras["count"].seen += x.mean()


def numbers(parts: Parts) -> list[object]:
    """All that a state holds, to compare."""
    tensors = [*parts.model.state_dict().values(), parts.extras["count"].seen]
    with parts.ema.swapped():
        tensors += [each.detach().clone() for each in parts.model.parameters()]
    for state in parts.optimizer.state_dict()["state"].values():
        tensors += [torch.as_tensor(value) for value in state.values()]
    shown = [(each.dtype, tuple(each.shape), each.stride(), each.contiguous().reshape(-1).tolist()) for each in tensors]
    return [*shown, parts.schedule.state_dict(), parts.extras["count"].number]


def main() -> None:
    torch.set_num_threads(1)
    topology = Topology.find("cpu")
    topology.join()
    source = topology.world_size - 1
    if topology.rank == source:
        old = parts_of(topology, 1)
        go_on(old, 3)
        memory.remember(memory.hold(old, 3, topology, 1, "bitwise", list(old.model.buffers())))
    is_source = topology.rank == source
    assert memory.offer(topology, 1) == memory.Offer(0, 3 if is_source else None, 2 if is_source else None)
    new = parts_of(topology, 2)
    assert memory.receive({0: source}, topology, 1, new) == (3, "bitwise")
    go_on(new, 2)
    expected = parts_of(topology, 1)
    go_on(expected, 5)
    for ours, theirs in zip(numbers(new), numbers(expected), strict=True):
        assert ours == theirs, (topology.rank, ours, theirs)
    topology.leave()


if __name__ == "__main__":
    rank_forks.on_ranks(int(sys.argv[1]), main)
