"""Which arithmetic a forward uses."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import drivetrain as dt
from drivetrain.core.errors import ConfigError
from drivetrain.train import forwards, precision
from drivetrain.train.precision import Resolved

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


@pytest.mark.parametrize(("name", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_half_precision_wraps_the_forward_and_gives_float32(name: Resolved, dtype: torch.dtype) -> None:
    net = Net()
    precision.apply(net, name, CPU)
    output = net(torch.ones(2, 4))
    assert net.seen == [dtype]
    assert output["y"].dtype == torch.float32
    assert output["n"].dtype == torch.int64
    output["y"].sum().backward()
    assert net.layer.weight.grad is not None
    assert net.layer.weight.grad.dtype == torch.float32


def test_fp8_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="precision is 'fp8', which cpu has not"):
        dt.Run(precision="fp8", device="cpu")
    device = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA A100")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 0))
    with pytest.raises(ConfigError, match=r"NVIDIA A100 has compute capability 8\.0 and fp8 needs 8\.9"):
        precision.resolve("fp8", device)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="torchao is not installed"):
        precision.resolve("fp8", device)


@pytest.mark.parametrize("second", ["fp32", "bf16"])
def test_the_last_choice_holds_where_the_first_was_taken_off(second: str) -> None:
    net = Net()
    precision.apply(net, "bf16", CPU)
    forwards.unwrap(net)
    precision.apply(net, second, CPU)
    net(torch.ones(1, 4))
    assert net.seen == [torch.bfloat16 if second == "bf16" else torch.float32]
