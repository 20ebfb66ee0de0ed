"""`fit`, killed anywhere and started again = never killed: weights, evaluations and where it stops."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

import drivetrain as dt
from drivetrain.store import create_run

UNTIL = 14


def loss_of(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return functional.mse_loss(model(x), x.sum(1, keepdim=True))


def attempt(run_id: str, number: int, patience: int, every: str, fault: str) -> tuple[bytes, object] | None:
    """One attempt in this process: what it came to, or None when it failed as planned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRIVETRAIN_RUN", run_id)
        patch.setenv("DRIVETRAIN_ATTEMPT", str(number))
        patch.setenv("DRIVETRAIN_FAULT", fault)
        with dt.Run(ema=0.9, checkpoint=dt.Checkpoint(every=every, keep=1), device="cpu") as run:
            network = nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.3), nn.Linear(5, 1))
            optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
            rows = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(5))
            held_out = torch.randn(8, 4, generator=torch.Generator().manual_seed(6))
            try:
                fitted = dt.fit(
                    network,
                    list(rows),
                    loss_of,
                    optimizer,
                    until=UNTIL,
                    run=run,
                    evaluate=lambda model: {"error": loss_of(model, held_out) + 0.1 * torch.rand(())},
                    evaluate_every="2step",
                    early_stop=dt.EarlyStop("error", patience=patience),
                )
            except RuntimeError as exc:
                if "planned fault" not in str(exc):
                    raise
                return None
    weights = b"".join(tensor.numpy().tobytes() for tensor in network.state_dict().values())
    return weights, (fitted.num_steps, fitted.stopped_early, fitted.metrics, fitted.best, fitted.best_step)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kills=st.lists(st.integers(0, UNTIL - 1), max_size=3),
    patience=st.sampled_from([1, 2, 20]),
    every=st.sampled_from(["1step", "3step", "20step"]),
)
def test_a_fit_that_failed_anywhere_ends_like_one_that_did_not(
    own_home: Path, kills: list[int], patience: int, every: str
) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="reading and skipping")
        never_stopped = attempt(create_run([], 1).id, 0, patience, "5step", "")
        run_id = create_run([], 1).id
        for number, step in enumerate(kills):
            attempt(run_id, number, patience, every, f"raise:rank=0,step={step},attempt={number}")
        resumed = attempt(run_id, len(kills), patience, every, "")
    assert resumed == never_stopped
