"""Save, stop anywhere, restore, continue = never stopped: bit for bit on as many ranks as before."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import warm_nursery
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

import drivetrain as dt
from drivetrain.store import create_run

UNTIL = 14
SCRIPT = Path(__file__).resolve().parents[1] / "train" / "tiny_training.py"


class Counting:
    """A loader with a state of its own; a pass over it has five batches."""

    batch_size = 3

    def __init__(self) -> None:
        self.number = 0

    def state_dict(self):
        return {"number": self.number}

    def load_state_dict(self, state):
        self.number = state["number"]

    def __iter__(self):
        while True:
            generator = torch.Generator().manual_seed(self.number)
            self.number += 1
            yield [torch.randn(3, 4, generator=generator)]
            if self.number % 5 == 0:
                return


def loader_of(kind: str) -> Iterable[list[torch.Tensor]]:
    if kind == "stateful":
        return Counting()
    rows = torch.randn(15, 4, generator=torch.Generator().manual_seed(5))
    return DataLoader(TensorDataset(rows), batch_size=3, shuffle=kind == "shuffled")


def attempt(run_id: str, number: int, kind: str, every: str, global_batch: int, fault: str) -> bytes | None:
    """One attempt in this process: the final weights and averages as bytes, or None when it failed as planned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRIVETRAIN_RUN", run_id)
        patch.setenv("DRIVETRAIN_ATTEMPT", str(number))
        patch.setenv("DRIVETRAIN_FAULT", fault)
        choice = dt.Checkpoint(every=every, keep=1)
        with dt.Run(clip=1.0, ema=0.9, global_batch=global_batch, checkpoint=choice, device="cpu") as run:
            network = nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.3), nn.BatchNorm1d(5), nn.Linear(5, 1))
            optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=UNTIL)
            model, _, batches = run.setup(network, optimizer, loader_of(kind), schedule=schedule)
            try:
                for (x,) in run.steps(batches, until=UNTIL):
                    target = x.sum(1, keepdim=True) + float(np.random.normal()) + random.gauss(0, 1)
                    run.step(functional.mse_loss(model(x), target))
            except RuntimeError as exc:
                if "planned fault" not in str(exc):
                    raise
                return None
            state = [*network.state_dict().values()]
            with run.averaged(model):
                state += [parameter.detach().clone() for parameter in network.parameters()]
            return b"".join(tensor.numpy().tobytes() for tensor in state)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kills=st.lists(st.integers(0, UNTIL - 1), max_size=3),
    kind=st.sampled_from(["plain", "shuffled", "stateful"]),
    every=st.sampled_from(["1step", "3step", "20step", "1ns"]),
    global_batch=st.sampled_from([3, 6]),
)
def test_a_run_that_failed_anywhere_ends_with_the_weights_of_one_that_did_not(
    own_home: Path, kills: list[int], kind: str, every: str, global_batch: int
) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="reading and skipping")
        never_stopped = attempt(create_run([], 1).id, 0, kind, "5step", global_batch, "")
        run_id = create_run([], 1).id
        for number, step in enumerate(kills):
            attempt(run_id, number, kind, every, global_batch, f"raise:rank=0,step={step},attempt={number}")
        resumed = attempt(run_id, len(kills), kind, every, global_batch, "")
    assert resumed == never_stopped


def final_digest(tmp_path: Path, name: str, num_ranks: int, faults: Iterable[str], **options: object) -> str:
    """The hash of the final weights of a run of real ranks under the launcher."""
    digest = tmp_path / name
    given = {"steps": 24, "every": "5step", "digest": str(digest), **options}
    command = [*warm_nursery.drivetrain(), "run", "--ranks", str(num_ranks)]
    for fault in faults:
        command += ["--fault", fault]
    command += ["--", sys.executable, str(SCRIPT), json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return digest.read_text()


@pytest.mark.parametrize(("num_ranks", "loader", "every"), [(2, "ordered", "5step"), (3, "stateful", "20ms")])
def test_ranks_killed_at_a_step_end_with_the_weights_of_ranks_that_were_not(
    tmp_path: Path, num_ranks: int, loader: str, every: str
) -> None:
    faults = ["kill:rank=1,step=13", "kill:rank=0,step=21,attempt=1"]
    whole = final_digest(tmp_path, "whole", num_ranks, [], loader=loader, every="100step")
    assert final_digest(tmp_path, "killed", num_ranks, faults, loader=loader, every=every) == whole


@pytest.mark.slow
@pytest.mark.parametrize("num_ranks", [2, 3])
@pytest.mark.timeout(900)
def test_ranks_killed_at_random_steps_end_with_the_weights_of_ranks_that_were_not(
    tmp_path: Path, num_ranks: int
) -> None:
    whole = final_digest(tmp_path, "whole", num_ranks, [])
    for seed in range(10):
        drawn = random.Random(seed)
        faults = [f"kill:rank={drawn.randrange(num_ranks)},step={drawn.randrange(24)},attempt={k}" for k in range(3)]
        assert final_digest(tmp_path, f"killed-{seed}", num_ranks, faults) == whole, faults
