"""What a choice of parallelism means for a number of ranks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import distributed, nn

from drivetrain.core.errors import ConfigError, UsageError
from drivetrain.train import parallel
from drivetrain.train.ddp import Ddp
from drivetrain.train.fsdp import Sharded
from drivetrain.train.settings import Fsdp
from drivetrain.train.state import division
from drivetrain.train.topology import Topology

TWO = Topology(0, 2, 0, torch.device("cpu"), "gloo")


@pytest.mark.parametrize("choice", ["auto", "single", "ddp", "fsdp", "hsdp", Fsdp(replicate=4)])
def test_one_rank_is_a_plain_model(choice: parallel.Way) -> None:
    assert parallel.resolve(choice, 1, 1) == "single"


def test_several_ranks_are_ddp_and_single_contradicts_them() -> None:
    assert parallel.resolve("auto", 2, 2) == parallel.resolve("ddp", 2, 2) == "ddp"
    with pytest.raises(ConfigError, match="2 ranks"):
        parallel.resolve("single", 2, 2)


def test_hsdp_shards_inside_a_node_and_keeps_two_copies_on_one() -> None:
    assert parallel.resolve("fsdp", 8, 4) == Fsdp()
    assert parallel.resolve("hsdp", 8, 2) == Fsdp(replicate=4)
    assert parallel.resolve("hsdp", 8, 8) == Fsdp(replicate=2)


@pytest.mark.parametrize(
    ("choice", "words"),
    [("hsdp", "3 ranks cannot"), (Fsdp(replicate=2), "into 2 copies"), (Fsdp(reshard=2), "reshard is 2, .* 3 parts")],
)
def test_a_mesh_that_does_not_fit_the_ranks_is_refused(choice: parallel.Way, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parallel.resolve(choice, 3, 3)


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    distributed.init_process_group("gloo", rank=0, world_size=1, store=distributed.FileStore(str(tmp_path / "s"), 1))
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("group")
def test_a_loss_that_did_not_come_from_the_model_is_refused_under_ddp() -> None:
    class Net(nn.Linear):
        def encode(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x)

    net = Net(3, 1)
    ddp = Ddp(net, torch.device("cpu"))
    net.encode(torch.ones(3)).sum().backward()
    with pytest.raises(UsageError, match="did not come from calling the model"):
        ddp.settle()
    net(torch.ones(3)).sum().backward()
    ddp.settle()
    ddp.release()
    assert net(torch.ones(3)).requires_grad  # the network goes on alone


def network() -> nn.Module:
    return nn.Sequential(*(nn.Sequential(nn.Linear(3, 3), nn.ReLU()) for _ in range(2)))


def test_a_weight_shared_by_two_blocks_is_refused_because_it_would_become_two() -> None:
    tied = network()
    tied[1][0].weight = tied[0][0].weight
    optimizer = torch.optim.SGD(tied.parameters(), lr=0.1)
    with pytest.raises(ConfigError, match=r"0\.0\.weight and 1\.0\.weight are one parameter"):
        Sharded(tied, optimizer, Fsdp(), TWO)


def test_an_optimizer_that_has_made_steps_is_refused() -> None:
    used = network()
    optimizer = torch.optim.AdamW(used.parameters())
    used(torch.ones(3)).sum().backward()
    optimizer.step()
    with pytest.raises(ConfigError, match="made steps already"):
        Sharded(used, optimizer, Fsdp(), TWO)


def test_offload_needs_an_accelerator() -> None:
    with pytest.raises(ConfigError, match="offload is True, but the model is on cpu"):
        Sharded(network(), torch.optim.SGD(network().parameters()), Fsdp(offload=True), TWO)


@pytest.mark.usefixtures("group")
def test_a_whole_weight_that_numpy_still_holds_is_told() -> None:
    net = network()
    alone = Topology(0, 1, 0, torch.device("cpu"), "gloo")
    sharded = Sharded(net, torch.optim.SGD(net.parameters(), lr=0.1), Fsdp(), alone)
    with sharded.whole():
        net[0][0].weight.detach().clone().numpy()
    with pytest.raises(UsageError, match=r"given to NumPy inside run\.whole"), sharded.whole():
        net[0][0].weight.detach().numpy()
    sharded.release()


@pytest.mark.usefixtures("group")
def test_a_checkpoint_can_tell_that_ranks_shared_the_model_otherwise() -> None:
    net = network()
    assert division(net) == "whole"
    alone = Topology(0, 1, 0, torch.device("cpu"), "gloo")
    sharded = Sharded(net, torch.optim.SGD(net.parameters(), lr=0.1), Fsdp(), alone)
    assert division(net) == "mesh (1,)"
    sharded.release()
