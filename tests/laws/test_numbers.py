"""Whatever batches are bad and wherever a run is killed: it ends as it would have without the kill."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import drivetrain as dt
from drivetrain.core.errors import AnomalyError
from drivetrain.store import create_run

UNTIL = 14


class Rows:
    """One batch a step, bad ones with a NaN."""

    batch_size = 3

    def __init__(self, bad: frozenset[int]) -> None:
        self.bad, self.step = bad, 0

    def state_dict(self):
        return {"step": self.step}

    def load_state_dict(self, state):
        self.step = state["step"]

    def __iter__(self):
        while True:
            x = torch.randn(3, 4, generator=torch.Generator().manual_seed(self.step))
            if self.step in self.bad:
                x[0, 0] = math.nan
            self.step += 1
            yield x


def attempt(run_id: str, number: int, bad: frozenset[int], policy: dt.Anomaly, fault: str) -> list[torch.Tensor] | str:
    """The state at the end of one attempt, or how it ended before."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(action="ignore"):
        patch.setenv("DRIVETRAIN_RUN", run_id)
        patch.setenv("DRIVETRAIN_ATTEMPT", str(number))
        patch.setenv("DRIVETRAIN_FAULT", fault)
        with dt.Run(ema=0.9, checkpoint=dt.Checkpoint(every="3step"), anomaly=policy, device="cpu") as run:
            network = nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.3), nn.BatchNorm1d(5), nn.Linear(5, 1))
            optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
            model, _, batches = run.setup(network, optimizer, Rows(bad))
            try:
                for x in run.steps(batches, until=UNTIL):
                    run.step(model(x).square().mean())
            except AnomalyError as exc:
                return exc.message
            except RuntimeError:
                return "planned"
            state = list(network.state_dict().values())
            with run.averaged(model):
                return state + [parameter.detach().clone() for parameter in network.parameters()]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bad=st.frozensets(st.integers(0, UNTIL - 1), max_size=8),
    skip=st.integers(0, 2),
    kill=st.integers(0, UNTIL - 1),
)
def test_a_run_with_bad_batches_ends_alike_whether_it_was_killed_or_not(own_home, bad, skip, kill) -> None:
    policy = dt.Anomaly(skip=skip)
    expected = attempt(create_run([], 1).id, 0, bad, policy, "")
    run_id = create_run([], 1).id
    ended = attempt(run_id, 0, bad, policy, f"raise:rank=0,step={kill},attempt=0")
    if ended == "planned":
        ended = attempt(run_id, 1, bad, policy, "")
    if isinstance(expected, str):
        assert ended == expected
    else:
        assert all(torch.isfinite(tensor).all() for tensor in expected)
        assert not isinstance(ended, str), ended
        assert all(map(torch.equal, ended, expected))
    dt.account(run_id).check()
