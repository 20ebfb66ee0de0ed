"""Where a rank stands, read from its environment."""

from __future__ import annotations

import pytest
import torch

from drivetrain.core.errors import ConfigError, UsageError
from drivetrain.train.topology import Topology


def test_alone_a_process_is_rank_0_of_1() -> None:
    found = Topology.find("cpu", {})
    assert (found.rank, found.world_size, found.local_rank) == (0, 1, 0)
    assert found.device == torch.device("cpu")
    assert found.share("x") == "x"
    assert found.gather("x") == ["x"]
    assert found.on_main(lambda: 3) == 3


def test_a_rank_is_read_from_what_torchrun_sets() -> None:
    env = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
    found = Topology.find("cpu", env)
    assert (found.rank, found.world_size, found.local_rank, found.backend) == (5, 8, 1, "gloo")


@pytest.mark.parametrize(
    "env",
    [
        {"RANK": "1"},
        {"WORLD_SIZE": "2"},
        {"RANK": "2", "WORLD_SIZE": "2"},
        {"RANK": "one", "WORLD_SIZE": "2"},
        {"RANK": "-1", "WORLD_SIZE": "2"},
    ],
)
def test_variables_that_contradict_each_other_are_refused(env: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"RANK|WORLD_SIZE"):
        Topology.find("cpu", env)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "nonsense:1"])
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    with pytest.raises(ConfigError, match=device):
        Topology.find(device, {})


def test_auto_takes_an_accelerator_where_there_is_one() -> None:
    assert Topology.find("auto", {}).device.type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_sum_of_one_rank_is_a_copy() -> None:
    tensor = torch.ones(2)
    total = Topology.find("cpu", {}).all_sum(tensor)
    total += 1
    assert tensor.tolist() == [1, 1]
