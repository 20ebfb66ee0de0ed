"""What a backward needs is worked out again, to the same bits."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import drivetrain as dt
from drivetrain.train import recompute
from drivetrain.train.blocks import find_blocks


class Counted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.GELU())
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x + self.inner(x)


def build() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(Counted(), Counted(), nn.Linear(6, 1))


def train(choice: str, precision: str = "fp32") -> tuple[list[torch.Tensor], list[int]]:
    with dt.Run(recompute=choice, precision=precision, device="cpu") as run:
        network = build()
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
        model, _, batches = run.setup(network, optimizer, [torch.ones(3, 6), torch.zeros(3, 6)])
        names = [name for name, _ in model.named_parameters()]
        for x in run.steps(batches, until=4):
            run.step(model(x).square().mean())
        with torch.no_grad():
            model(x)
    assert names == [name for name, _ in build().named_parameters()]
    return list(network.state_dict().values()), [network[0].calls, network[1].calls]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_weights_and_buffers_are_bit_for_bit_those_of_no_recomputation_dropout_included(precision: str) -> None:
    expected, calls = train("none", precision)
    assert calls == [5, 5]
    for choice in ("selective", "full"):
        found, calls = train(choice, precision)
        assert calls == [9, 9]  # twice in each of the steps, and once where nothing is differentiated
        assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


class Products(TorchDispatchMode):
    """Counts the matrix products of forwards."""

    num = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.num += function is torch.ops.aten.addmm.default
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(("choice", "num_products"), [("selective", 0), ("full", 2)])
def test_selective_keeps_the_results_of_matrix_products(choice: str, num_products: int) -> None:
    network = build()
    recompute.apply(find_blocks(network), choice)
    loss = network(torch.ones(3, 6)).sum()
    with Products() as products:
        loss.backward()
    assert products.num == num_products
