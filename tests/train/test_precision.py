"""Which arithmetic a forward uses."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from drivetrain.train import forwards, precision

CPU = torch.device("cpu")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.seen: list[torch.dtype] = []

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        y = self.layer(x)
        self.seen.append(y.dtype)
        return {"y": y, "n": torch.arange(3)}


def test_auto_on_a_cpu_is_float32() -> None:
    assert precision.resolve("auto", CPU) == "fp32"
    assert precision.resolve("bf16", CPU) == "bf16"


def test_bf16_wraps_the_forward_and_gives_float32() -> None:
    net = Net()
    precision.apply(net, "bf16", CPU)
    output = net(torch.ones(2, 4))
    assert net.seen == [torch.bfloat16]
    assert output["y"].dtype == torch.float32
    assert output["n"].dtype == torch.int64
    output["y"].sum().backward()
    assert net.layer.weight.grad is not None
    assert net.layer.weight.grad.dtype == torch.float32


@pytest.mark.parametrize("second", ["fp32", "bf16"])
def test_the_last_choice_holds_where_the_first_was_taken_off(second: str) -> None:
    net = Net()
    precision.apply(net, "bf16", CPU)
    forwards.unwrap(net)
    precision.apply(net, second, CPU)
    net(torch.ones(1, 4))
    assert net.seen == [torch.bfloat16 if second == "bf16" else torch.float32]
