"""Layers around a module's forward."""

from __future__ import annotations

import torch
from torch import nn

from drivetrain.train import forwards


def plus(number: int):
    def around(inner):
        return lambda x: inner(x) + number

    return around


def test_layers_stack_and_come_off_and_the_type_stays() -> None:
    model = nn.Sequential(nn.Identity())
    forwards.wrap(model[0], plus(1))
    forwards.wrap(model, plus(10))
    forwards.wrap(model, plus(100))
    assert type(model) is nn.Sequential
    assert model(torch.zeros(())).item() == 111
    forwards.unwrap(model)
    assert model(torch.zeros(())).item() == 0
    assert "forward" not in vars(model)


def test_a_forward_of_the_users_own_on_an_instance_stays() -> None:
    model = nn.Identity()
    model.forward = lambda x: 2 * x
    forwards.wrap(model, plus(1))
    forwards.unwrap(model)
    assert model(torch.ones(())).item() == 2
