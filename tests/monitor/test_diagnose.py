from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.core.leaves import Leaf
from drivetrain.ledger import Account, Interval, account_of_timeline, read_timeline
from drivetrain.monitor import Death, Evidence, evidence_of, findings
from drivetrain.monitor.diagnose import balanced_interval_steps
from drivetrain.monitor.evidence import Ruined
from drivetrain.monitor.remedies import REMEDIES

S = 1_000_000_000


def _account(*ranks: dict[str, int], num_attempts: int = 1, kept: int = 100, lost: int = 0) -> Account:
    """An account of ranks with one device each, seconds by leaf, one interval a leaf."""
    intervals, by_rank = [], {}
    for rank, leaves in enumerate(ranks):
        at = 0
        for leaf, seconds in leaves.items():
            intervals.append(Interval(rank, 1, at, at + seconds * S, Leaf(leaf)))
            at += seconds * S
        by_rank[rank] = {leaf: seconds * S for leaf, seconds in leaves.items()}
    total: dict[str, int] = {}
    for leaves_ns in by_rank.values():
        for leaf, ns in leaves_ns.items():
            total[leaf] = total.get(leaf, 0) + ns
    end_ns = max((interval.end_ns for interval in intervals), default=0)
    allocated = sum(total.values())
    return Account(total, allocated, 0, by_rank, tuple(intervals), 0, end_ns, num_attempts, kept, lost, False)


def test_work_redone_is_told_with_its_cause_its_share_and_a_better_interval() -> None:
    ranks = [{"productive": 35, "lost": 5, "checkpoint": 2}] * 2
    evidence = Evidence(deaths=(Death(1, -9, 48),), num_commits=5, commit_every_steps=20)
    found = findings(_account(*ranks, num_attempts=2, lost=8), evidence)[0]
    assert found.leaf == "lost"
    assert found.text == (
        "11.9 % of allocated time (10.0 s of 1 m 24 s over 2 ranks) was lost to work that had to be redone after "
        "rank 1 died of SIGKILL at step 48."
    )
    assert "8 steps lost, 100 kept" in found.evidence
    assert re.search(r"more often than every 20 steps: about every \d+ would", found.change)
    assert found.gain.startswith("At most 10.0 s of device time")
    assert "94.6 % of 1 m 14 s instead of 83.3 % of 1 m 24 s" in found.gain


def test_the_balanced_interval_is_youngs() -> None:
    # 100 s between failures, 2 s a checkpoint: sqrt(2 x 2 x 100) = 20 s, at 0.5 s a step 40 steps
    account = _account({"productive": 50, "checkpoint": 10, "down": 40})
    evidence = Evidence(deaths=(Death(0, 1, 3),), num_commits=5, commit_every_steps=20)
    assert balanced_interval_steps(account, evidence) == 40
    assert "20 steps apart; about 40 would balance" in findings(account, evidence)[1].change


def test_without_failures_no_interval_is_recommended() -> None:
    account = _account({"productive": 50, "checkpoint": 10})
    assert balanced_interval_steps(account, Evidence(num_commits=5, commit_every_steps=20)) is None


def test_unknown_time_alarms_past_one_percent_and_not_below() -> None:
    assert not findings(_account({"productive": 1000, "unknown": 9}))
    (found,) = findings(_account({"productive": 985, "unknown": 15}))
    assert found.is_alarm
    assert found.text.startswith("1.5 % of allocated time (15.0 s of 16 m 40 s over 1 rank) is explained by no record")


def test_a_hang_names_the_rank_and_alarms() -> None:
    (found,) = findings(_account({"productive": 500, "hang": 20}, {"productive": 520}), Evidence(hung_ranks=(0, 0)))
    assert found.is_alarm
    assert "(rank 0)" in found.text
    assert "Rank 0 has 100 % of it" in found.evidence


def test_waiting_on_others_names_the_rank_they_wait_for() -> None:
    slow, fast = {"productive": 90, "comm_wait": 1}, {"productive": 60, "comm_wait": 31}
    (found,) = findings(_account(slow, fast, fast, fast))
    assert "Rank 0 waits least (1.00 s): the others wait for it." in found.evidence


def test_a_few_long_waits_are_told_apart_from_many_short_ones() -> None:
    steady = _account({"productive": 90, "data_wait": 10})
    waits = [Interval(0, 1, at * S, at * S + S // 10, Leaf.DATA_WAIT) for at in range(20)]
    assert "Few long ones" not in findings(replace(steady, intervals=tuple(waits)))[0].evidence
    stall = Interval(0, 1, 50 * S, 58 * S, Leaf.DATA_WAIT)
    told = findings(replace(steady, intervals=(*waits, stall)))[0].evidence
    assert "21 stretches, median 100 ms, longest 8.00 s on rank 0 at 50.0 s" in told
    assert "Few long ones make most of it: 1 of them 8.00 s." in told


LEAVES = st.dictionaries(st.sampled_from([leaf.value for leaf in Leaf]), st.integers(1, 10**5), min_size=1)


@given(st.lists(LEAVES, min_size=1, max_size=4))
def test_findings_come_largest_first_and_never_promise_more_than_was_lost(ranks: list[dict[str, int]]) -> None:
    account = _account(*ranks)
    found = findings(account, Evidence(deaths=(Death(0, -9, None), Death(1, 3, 7), Death(0, -99, 9)), num_commits=2))
    assert [f.lost_ns for f in found] == sorted((f.lost_ns for f in found), reverse=True)
    for one in found:
        assert one.lost_ns == account.leaves[one.leaf]
        assert one.share_pct >= REMEDIES[one.leaf].from_pct
        assert one.gain.startswith("At most")
        assert one.change


def test_every_loss_has_a_remedy_and_productive_time_has_none() -> None:
    assert set(REMEDIES) == set(Leaf) - {Leaf.PRODUCTIVE}


def test_an_empty_account_has_no_findings() -> None:
    assert findings(_account()) == []


@pytest.mark.parametrize(
    ("name", "leaf", "words"),
    [
        ("loader-blocks-90-pct", "data_wait", "90.0 %"),
        ("killed-without-end", "lost", "19.4 %"),
        ("rollback-60-to-40", "down", "32.3 %"),
    ],
)
def test_the_largest_loss_of_a_known_timeline_comes_first(shared_data: Path, name: str, leaf: str, words: str) -> None:
    timeline = read_timeline(shared_data / "ledger_timelines" / f"{name}.jsonl")
    found = findings(account_of_timeline(timeline), evidence_of(timeline.events))[0]
    assert (found.leaf, found.text.startswith(words)) == (leaf, True), found.text


def test_steps_after_a_loss_that_is_never_finite_again_are_told_as_vain() -> None:
    account = _account({"productive": 900, "data_wait": 100})
    (found,) = [each for each in findings(account, Evidence(ruined=(Ruined("loss", 25, 99),))) if each.is_alarm]
    assert "`loss` is not finite from step 25 to the last, 99: 75 steps of 100 trained nothing" in found.text
    assert found.lost_ns == account.leaves["productive"] * 75 // 100
    assert "dt.Anomaly" in found.change
