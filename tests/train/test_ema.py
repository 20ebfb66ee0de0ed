"""A moving average of the weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from drivetrain.train.ema import Ema


def set_to(model: nn.Module, value: float) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)


def test_it_forgets_the_first_weights_quickly_and_then_moves_slowly() -> None:
    model = nn.Linear(2, 1)
    ema = Ema(model, 0.9)
    set_to(model, 1.0)
    for step in range(1, 200):
        ema.update(step)
    assert ema.weights["weight"].mean().item() == pytest.approx(1.0, abs=1e-4)
    set_to(model, 2.0)
    ema.update(200)
    assert ema.weights["bias"].item() == pytest.approx(1.1, abs=1e-4)


def test_averages_are_swapped_in_and_out_even_when_the_block_fails() -> None:
    model = nn.Linear(2, 1)
    set_to(model, 1.0)
    ema = Ema(model, 0.9)
    set_to(model, 3.0)
    with pytest.raises(KeyError), ema.swapped():  # noqa: PT012 - the block is what fails
        assert model.bias.item() == 1.0
        raise KeyError
    assert model.bias.item() == 3.0
    assert ema.weights["bias"].item() == 1.0


def test_it_knows_its_model() -> None:
    model = nn.Linear(2, 1)
    ema = Ema(model, 0.9)
    assert ema.is_of(nn.Sequential(model))
    assert not ema.is_of(nn.Linear(2, 1))
