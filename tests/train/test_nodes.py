"""Several launchers on this machine, each a node of one run."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drivetrain import ledger
from drivetrain.store import list_runs, open_run

TWO = ("--nodes", "1:2", "--meet", "job-1", "--ranks", "1")
BOTH = ("--nodes", "2", "--meet", "job-1", "--ranks", "1")


def weights(*runs: Any) -> list[float]:
    return [line["weights"] for run in runs for line in run.lines if "weights" in line]


@pytest.mark.slow
def test_two_nodes_of_one_rank_end_with_the_weights_of_two_ranks_on_one(training: Callable) -> None:
    with training("--ranks", "2", steps=10) as alone:
        alone.end()
    with training(*BOTH, steps=10) as first, training(*BOTH, steps=10) as second:
        first.end()
        second.end()
    assert weights(first, second) == weights(alone)
    assert first.wrong_samples(second) == {}
    assert len(list_runs()) == 2
    account = ledger.account(open_run("latest"))
    account.check()
    assert "unknown" not in account.leaves
    assert (set(account.by_rank), account.num_steps_kept) == ({0, 1}, 10)


@pytest.mark.slow
def test_a_rank_that_dies_on_another_node_is_forked_there_and_changes_nothing(training: Callable) -> None:
    with training("--ranks", "2", steps=12) as alone:
        alone.end()
    fault = ("--fault", "kill:rank=1,step=7")
    with training(*BOTH, *fault, steps=12) as first, training(*BOTH, *fault, steps=12) as second:
        said = first.end() + second.end()
    assert "rank 1 was killed by SIGKILL" in said
    assert weights(first, second) == weights(alone)
    assert first.wrong_samples(second, may_repeat=True) == {}
    ledger.account(open_run("latest")).check()


@pytest.mark.slow
def test_a_follower_that_is_interrupted_leaves_and_the_leader_ends_all(training: Callable) -> None:
    with training(*TWO, every="5step") as first:
        first.until(step=0)
        with training(*TWO, every="5step") as second:
            second.until(of=2)
            second.process.send_signal(signal.SIGINT)
            second.end(code=130)
        first.until(of=2)
        first.until(of=1)
        with training(*TWO, every="5step") as third:
            third.until(of=2)
            first.process.send_signal(signal.SIGINT)
            first.end(code=130)
            third.end(code=130)
    assert len(list_runs()) == 1


@pytest.mark.slow
def test_a_node_comes_and_is_lost_and_no_sample_is_missed(training: Callable, tmp_path: Path) -> None:
    with training(*TWO, every="5step") as first:
        first.until(step=3)
        with training(*TWO, every="5step") as second:
            first.until(of=2)
            second.until(of=2)
            os.kill(second.process.pid, signal.SIGKILL)
            second.end(code=-signal.SIGKILL)
        first.until(of=1)
        (tmp_path / "enough").touch()
        said = first.end()
    assert "node 1" in said
    assert "is gone" in said
    assert first.lines[-2]["of"] == 1
    assert first.wrong_samples(second, may_repeat=True) == {}
    account = ledger.account(open_run("latest"))
    account.check()
    assert "unknown" not in account.leaves


@pytest.mark.slow
def test_a_follower_leads_on_when_the_leader_is_killed(training: Callable, tmp_path: Path) -> None:
    with training(*TWO, every="5step") as first:
        first.until(step=0)
        with training(*TWO, every="5step") as second:
            second.until(of=2)
            second.until(step=second.lines[-1]["step"] + 10)
            os.kill(first.process.pid, signal.SIGKILL)
            first.end(code=-signal.SIGKILL)
            second.until(of=1)
            (tmp_path / "enough").touch()
            said = second.end()
    assert "the leader is gone" in said
    assert first.wrong_samples(second, may_repeat=True) == {}
    assert min(line["step"] for line in second.lines if line.get("of") == 1) > 5
    assert len(list_runs()) == 1
    ledger.account(open_run("latest")).check()
