"""The same numbers each time."""

from __future__ import annotations

import os

import pytest
import torch
from torch import nn

import drivetrain as dt
from drivetrain.core.errors import ConfigError
from drivetrain.train import determinism


def weights_after(num_steps: int) -> torch.Tensor:
    """Training through a scatter, whose sums on an accelerator come in any order unless torch is told."""
    with dt.Run(deterministic=True, seed=4) as run:
        network = nn.Linear(8, 8)
        model, _, batches = run.setup(network, torch.optim.SGD(network.parameters(), 0.1), [torch.ones(16, 8)])
        for x in run.steps(batches, until=num_steps):
            index = torch.zeros(16, dtype=torch.long, device=x.device)
            summed = torch.zeros(2, 8, device=x.device).index_add(0, index, model(x + torch.rand_like(x)))
            run.step(summed.square().mean())
        return network.weight.detach().cpu()


def test_two_runs_are_bitwise_the_same() -> None:
    assert torch.equal(weights_after(5), weights_after(5))


def test_an_operation_that_cannot_be_deterministic_is_refused() -> None:
    with dt.Run(deterministic=True), pytest.raises(RuntimeError, match="deterministic"):
        torch.zeros(4).put_(torch.tensor([0, 0]), torch.ones(2))


def test_the_process_is_as_it_was_when_the_run_is_closed() -> None:
    before = torch.backends.cudnn.benchmark
    with dt.Run(deterministic=True):
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cudnn.benchmark == before
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ


def test_a_run_that_could_not_be_made_leaves_torch_as_it_was() -> None:
    with pytest.raises(ConfigError):
        dt.Run(deterministic=True, device="no such")
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_workspace_that_varies_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":0:0")
    with pytest.raises(ConfigError, match="CUBLAS_WORKSPACE_CONFIG is ':0:0'"):
        dt.Run(deterministic=True)


def test_it_is_too_late_once_the_accelerator_was_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    with pytest.raises(ConfigError, match=r"used before dt\.Run was made"), determinism.enforced():
        pass
