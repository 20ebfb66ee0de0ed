"""What is done about steps whose numbers go wrong."""

from __future__ import annotations

import json
import math
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import drivetrain as dt
from drivetrain.core.errors import AnomalyError
from drivetrain.store import list_checkpoints
from drivetrain.train.anomaly import History, Reading, judge

BAD, MARK = math.nan, 50.0


class Rows:
    """A batch per step, by step number; bad ones hold a value that is not finite."""

    num_microbatches = 1
    global_batch = 4

    def __init__(self, bad: dict[int, float]) -> None:
        self.bad = bad

    def bind(self, *, rank: int, world_size: int) -> None:
        pass

    def seek(self, step: int) -> None:
        self.step = step

    def __iter__(self):
        while True:
            x = torch.randn(4, 3, generator=torch.Generator().manual_seed(self.step))
            if self.step in self.bad:
                x[0, 0] = self.bad[self.step]
            self.step += 1
            yield x

    def close(self) -> None:
        pass


class NamedRows(Rows):
    def samples(self, step: int) -> list[str]:
        return [f"row-{step}.{number}" for number in range(4)]


def network_of() -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.1), nn.Linear(4, 1))


def square_loss(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return model(x).square().mean()


def train(rows: Rows, until: int = 20, *, build=network_of, loss=square_loss, **settings: object):
    """The network and the run after `until` steps, and what it warned of."""
    choice = dt.Checkpoint(every="5step", keep=3)
    with (
        warnings.catch_warnings(record=True, action="always") as caught,
        dt.Run(**({"checkpoint": choice, "ema": 0.9, "device": "cpu"} | settings)) as run,
    ):
        network = build()
        kind = torch.optim.AdamW if build is network_of else torch.optim.SGD
        model, _, batches = run.setup(network, kind(network.parameters(), 0.05), rows)
        for x in run.steps(batches, until=until):
            run.step(loss(model, x))
    return network, run, [str(warning.message) for warning in caught]


def state_of(network: nn.Module) -> list[torch.Tensor]:
    return list(network.state_dict().values())


def all_finite(network: nn.Module) -> bool:
    return all(torch.isfinite(tensor).all() for tensor in state_of(network))


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(state_of(one), state_of(other), strict=True))


def test_looking_at_the_numbers_changes_none() -> None:
    plain, _, _ = train(Rows({}))
    watched, _, said = train(Rows({}), anomaly=dt.Anomaly(spike=8))
    assert same(plain, watched)
    assert said == []


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_bad_step_is_skipped_named_and_kept_and_counts_as_skipped(value: float) -> None:
    network, run, said = train(Rows({7: value}), anomaly=dt.Anomaly())
    assert said == ["step 7: the loss is nan; its update is skipped"]
    assert all_finite(network)
    [row] = [json.loads(line) for line in (run.folder.kept / "anomalies.jsonl").read_text().splitlines()]
    assert row["step"] == 7
    account = dt.account(run.id)
    account.check()
    assert account.leaves["skipped"] > 0
    assert account.leaves.get("lost", 0) == 0


def test_the_samples_of_a_bad_step_are_named_where_the_loader_can() -> None:
    _, run, said = train(NamedRows({7: BAD}), 9, anomaly=dt.Anomaly())
    assert said == ["step 7 (row-7.0, row-7.1, row-7.2 and 1 more): the loss is nan; its update is skipped"]
    row = json.loads((run.folder.kept / "anomalies.jsonl").read_text())
    assert row["samples"] == ["row-7.0", "row-7.1", "row-7.2", "row-7.3"]
    with pytest.raises(AnomalyError, match=r"1 steps in a row went wrong: 7 \(row-7\.0, "):
        train(NamedRows({7: BAD}), 9, anomaly=dt.Anomaly(skip=0, then="stop"))


def test_a_skipped_step_leaves_everything_as_it_was() -> None:
    skipped, _, _ = train(Rows({7: BAD}), 8, anomaly=dt.Anomaly())
    before, _, _ = train(Rows({}), 7)
    assert same(skipped, before)


def test_more_bad_steps_in_a_row_than_may_be_skipped_stop_the_run_and_are_named() -> None:
    rows = Rows(dict.fromkeys((3, 7, 8, 9), BAD))
    with pytest.raises(
        AnomalyError, match="3 steps in a row went wrong: 7, 8, 9; in the last one the loss is nan"
    ) as at:
        train(rows, anomaly=dt.Anomaly(skip=2, then="stop"))
    assert at.value.exit_code == 65


def count_loss(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Of Poisson counts: the rate overflows when weights are somewhat too large. A marked batch has a huge count."""
    return nn.functional.poisson_nll_loss(model(x), torch.full((4, 1), 1e5 if x[0, 0] == MARK else 1.0))


def test_weights_that_went_bad_are_rolled_back_in_the_process_and_the_run_ends_well() -> None:
    """The loss of step 8 is finite, but its update ruins the weights; the second time it is left out."""
    network, run, said = train(Rows({8: MARK}), build=lambda: nn.Linear(3, 1), loss=count_loss, anomaly=dt.Anomaly())
    assert said == [
        *[f"step {step}: the loss is inf; its update is skipped" for step in (9, 10, 11, 12)],
        "went back from step 12 to the checkpoint of step 5",
        "step 8: its update came before everything was wrong; left out",
    ]
    assert all_finite(network)
    assert list_checkpoints(run.folder.checkpoints) == [10, 15, 20]
    account = dt.account(run.id)
    account.check()
    assert account.leaves["lost"] > 0
    assert account.leaves["restore"] > 0


def test_batches_that_are_bad_again_do_not_count_again() -> None:
    network, run, said = train(Rows(dict.fromkeys((7, 8, 9, 10), BAD)), anomaly=dt.Anomaly())
    assert "went back from step 10 to the checkpoint of step 5" in said
    assert all_finite(network)
    assert run.step_index == 20


def test_going_back_without_success_stops() -> None:
    rows = Rows(dict.fromkeys(range(7, 20), BAD))
    expected = "2 steps in a row went wrong: 9, 10; .* the run had gone back from step 8, which did not help"
    with pytest.raises(AnomalyError, match=expected):
        train(rows, anomaly=dt.Anomaly(skip=1))


def test_without_a_checkpoint_there_is_nothing_to_go_back_to() -> None:
    with pytest.raises(AnomalyError, match="there is no checkpoint to go back to yet"):
        train(Rows(dict.fromkeys(range(4), BAD)), anomaly=dt.Anomaly(skip=1))


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 4), st.sampled_from(["rollback", "stop"]))
def test_a_streak_longer_than_allowed_is_never_skipped_and_a_shorter_one_always(bad, skip, then) -> None:
    policy = dt.Anomaly(skip=skip, then=then)
    history, num_in_a_row = History(), 0
    for step, is_bad in enumerate(bad):
        num_in_a_row = num_in_a_row + 1 if is_bad else 0
        history, verdict = judge(history, policy, step, is_anomalous=is_bad)
        if num_in_a_row > skip:
            assert verdict == ("stop" if then == "stop" else "back")
            return
        assert verdict == ("skip" if is_bad else "good")
        assert History.of(history.plain()) == history


@given(st.lists(st.booleans(), min_size=30, max_size=60), st.integers(0, 3), st.data())
def test_going_back_comes_to_an_end_whatever_is_bad(bad, skip, data) -> None:
    policy, history, step, num_judged = dt.Anomaly(skip=skip), History(), 0, 0
    while step < len(bad):
        num_judged += 1
        assert num_judged < 1000
        history, verdict = judge(history, policy, step, is_anomalous=bad[step])
        if verdict == "stop":
            return
        step = data.draw(st.integers(0, step)) if verdict == "back" else step + 1


def test_an_overflow_is_no_anomaly_until_the_scale_cannot_shrink() -> None:
    assert Reading(3, 1.0, math.inf, loss_scale=2.0).is_overflow
    assert not Reading(3, 1.0, math.inf, loss_scale=1.0).is_overflow
    assert not Reading(3, math.nan, math.nan, loss_scale=2.0).is_overflow


def test_a_checkpoint_with_weights_that_are_not_finite_is_no_place_to_go_back_to() -> None:
    """Memory that fails once, right before a checkpoint is written: the steps are made again, from the one before."""

    def spoil_once(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
        loss = square_loss(model, x)
        if torch.equal(x, rows_of_step_9) and not spoiled:
            spoiled.append(True)
            with torch.no_grad():
                model[0].weight[0, 0] = BAD
        return loss

    spoiled: list[bool] = []
    rows_of_step_9 = torch.randn(4, 3, generator=torch.Generator().manual_seed(9))
    network, run, said = train(Rows({}), loss=spoil_once, anomaly=dt.Anomaly(skip=1))
    assert "went back from step 11 to the checkpoint of step 5" in said
    assert all_finite(network)
    assert run.step_index == 20
