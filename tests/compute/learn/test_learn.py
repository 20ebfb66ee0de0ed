"""Run times and waiting times learned from what ended."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from drivetrain.compute.learn.line_rate import rate_waits
from drivetrain.compute.learn.run_times import FEWEST, MOST, History
from drivetrain.compute.learn.waiting import estimate, play_waits
from drivetrain.compute.learn.what_if import outlook, parse_change, with_more
from drivetrain.compute.policy.values import MILLI, Node, Pool, Quota, Request, Running, Share, Snapshot, Waiting
from drivetrain.compute.simulate.values import Arrival
from drivetrain.core.errors import UsageError


def job(name: str = "train", user: str = "ana", gpus: int = 1) -> Waiting:
    return Waiting("w", "maps", user, Request(1, 1, gpus * MILLI), name=name)


def runs(began_s: float) -> Running:
    shares = (Share("n0", tuple((at, MILLI) for at in range(8))),)
    return Running("r", "0", "maps", "ana", Request(1, 1, 8000), shares, started_s=began_s, name="train")


def learned(*groups: tuple[Waiting, list[float]]) -> History:
    history = History()
    for ended, times in groups:
        for run_s in times:
            history.ended(ended, run_s)
    return history


def test_nothing_is_expected_before_anything_ended() -> None:
    assert History().expected(job()) is None


def test_jobs_of_one_user_name_and_shape_come_first_and_then_wider_ones() -> None:
    mine, theirs = [float(100 + at) for at in range(FEWEST)], [1000.0 + at for at in range(FEWEST)]
    history = learned((job(), mine), (job(user="bo"), theirs))
    close, other_name = history.expected(job()), history.expected(job("eval"))
    assert close is not None
    assert other_name is not None
    assert close.p50_s == other_name.p50_s == 103.5
    new_user = history.expected(job(user="cy"))
    assert new_user is not None
    assert 107 <= new_user.p50_s <= 1000


def test_what_is_expected_grows_as_a_job_runs_on() -> None:
    history = learned((job(gpus=8), [10.0] * 50 + [1000.0 + at for at in range(50)]))
    found = [history.given(runs(0.0), ran_s) for ran_s in (0.0, 20.0, 1030.0, 5000.0)]
    middles = [run_time.p50_s for run_time in found if run_time]
    assert middles == sorted(middles)
    assert middles[1] == 1024.5
    assert all(run_time.p10_s > ran_s for run_time, ran_s in zip(found, (0, 20, 1030, 5000), strict=True) if run_time)


def test_only_the_last_ones_count() -> None:
    history = learned((job(), [1.0] * MOST + [100.0] * MOST))
    found = history.expected(job())
    assert found is not None
    assert found.p10_s == 100


def test_draws_are_longer_than_what_it_has_run() -> None:
    history, rng = learned((job(gpus=8), [50.0, 100.0, 200.0] * 5)), random.Random(1)
    drawn = [history.draw_s(runs(0.0), 60.0, rng) for _ in range(200)]
    assert sum(run_s in (100.0, 200.0) for run_s in drawn) > 190
    assert min(drawn) > 60
    assert all(history.draw_s(runs(0.0), 500.0, rng) > 500 for _ in range(50))


@pytest.mark.parametrize("past", [[], [6.0], [6.0, 6.0]])
def test_of_what_little_is_known_draws_are_far_apart(past: list[float]) -> None:
    history, rng = learned((job(gpus=8), past)), random.Random(1)
    drawn = sorted(history.draw_s(runs(0.0), 4.0, rng) for _ in range(200))
    assert drawn[180] > 5 * drawn[20]
    assert history.num_like(runs(0.0)) == len(past)


def test_what_has_run_longer_than_any_like_it_may_run_as_long_again() -> None:
    history, rng = learned((job(gpus=8), [100.0] * 20)), random.Random(1)
    drawn = sorted(history.draw_s(runs(0.0), 3600.0, rng) for _ in range(200))
    assert drawn[100] == pytest.approx(2 * 3600, rel=0.2)


@pytest.mark.parametrize("num_ahead", [10, 100_000])
def test_a_line_that_is_too_long_to_play_is_as_long_as_its_work_by_the_rate_it_moves(num_ahead: int) -> None:
    history = learned((job(gpus=8), [100.0] * 200))
    waits = rate_waits(full(), 50.0, [job(gpus=8)] * num_ahead, "maps", history)
    assert waits == sorted(waits)
    assert waits[len(waits) // 2] == pytest.approx(100 * num_ahead + 50, rel=0.5)
    assert waits[-1] > 1.5 * waits[0]


def test_with_quotas_a_job_waits_for_what_its_own_team_has_and_waits_for() -> None:
    history = learned((job(gpus=8), [100.0] * 200))
    shared = replace(full(), quotas=(Quota("maps", "a", "", 4000), Quota("cars", "a", "", 4000)))
    ahead = [replace(job(gpus=8), team="cars")] * 50
    assert max(rate_waits(shared, 50.0, ahead, "maps", history)) < min(rate_waits(full(), 50.0, ahead, "maps", history))


def full() -> Snapshot:
    node = Node("n0", "a", (0,) * 8)
    return Snapshot((node,), (Pool("a"),), waiting=(job(gpus=8),), running=(runs(0.0),))


def test_a_wait_is_as_long_as_what_runs_may_still_run() -> None:
    history = learned((job(gpus=8), [100.0 * at for at in range(1, 41)]))
    plays = play_waits(full(), 1000.0, "w", history, num=100)
    found = estimate(plays, num_ahead=0)
    assert all(0 < wait_s <= 3000 for wait_s in plays)
    assert found.p10_s < 900 < found.p50_s < 2200 < found.p90_s
    assert plays == play_waits(full(), 1000.0, "w", history, num=100)


def test_of_a_long_line_only_the_front_is_looked_at_and_the_wait_is_the_same() -> None:
    history = learned((job(gpus=8), [100.0 * at for at in range(1, 41)]))
    line = tuple(replace(job(gpus=4), job=f"w{at:02d}", submitted_s=float(at)) for at in range(40))
    whole = replace(full(), waiting=line)
    front = replace(full(), waiting=line[:5])
    waits = play_waits(whole, 1000.0, "w30", history, num=5)
    assert waits == play_waits(front, 1000.0, "w30", history, num=5, behind=line[5:])
    assert waits[0] > 1000


def test_a_long_wait_behind_short_jobs_is_as_long_as_these_take() -> None:
    history = learned((job(gpus=8), [100.0] * 20))
    line = tuple(replace(job(gpus=8), job=f"w{at:03d}", submitted_s=float(at)) for at in range(200))
    (wait_s,) = play_waits(replace(full(), waiting=line), 1000.0, "w199", history, num=1)
    assert 199 * 100 <= wait_s < 1.1 * 200 * 100 + 1000


def test_a_long_line_of_small_jobs_fills_all_that_becomes_free() -> None:
    history = learned((job(), [100.0] * 20), (job(gpus=8), [1000.0] * 20))
    line = tuple(replace(job(), job=f"w{at:03d}", submitted_s=float(at)) for at in range(400))
    (wait_s,) = play_waits(replace(full(), waiting=line), 900.0, "w399", history, num=1)
    assert 49 * 100 <= wait_s < 1.2 * 50 * 100 + 1000


def test_what_came_lately_comes_again_and_may_be_first() -> None:
    history = learned((job(gpus=8), [100.0] * 20))
    urgent = replace(job(gpus=8), job="u", priority=300, submitted_s=900.0)
    recent = [Arrival(replace(urgent, submitted_s=900.0 + 10 * at), 100.0) for at in range(10)]
    alone = play_waits(replace(full(), running=(replace(runs(950.0)),)), 1000.0, "w", history, num=3)
    behind = play_waits(replace(full(), running=(replace(runs(950.0)),)), 1000.0, "w", history, recent, num=3)
    assert max(alone) < min(behind)


def test_more_devices_are_played_beside_those_that_are() -> None:
    history = learned((job(gpus=8), [1000.0] * 20))
    node = Node("n0", "a", (0,) * 8, "H100")
    snapshot = replace(full(), nodes=(node,), running=(runs(900.0),))
    now, then = (outlook(fleet, 1000.0, history, over_s=3600) for fleet in (snapshot, with_more(snapshot, "h100", 8)))
    assert (now.num_gpus, now.mean_wait_s, now.num_started) == (8, 900, 1)
    assert (then.num_gpus, then.mean_wait_s) == (16, 0)


def test_on_a_fleet_that_is_idle_nobody_waits_whenever_they_come() -> None:
    idle = Snapshot(tuple(Node(f"n{at}", "a", (1000,) * 8, "H100") for at in range(4)), full().pools)
    recent = [Arrival(replace(job(gpus=1), job=f"j{at}", submitted_s=1000.0 * at), 0.0) for at in range(20)]
    for fleet in (idle, with_more(idle, "h100", 64)):
        found = outlook(fleet, 20_000.0, learned((job(gpus=1), [100.0] * 20)), recent, over_s=86400)
        assert (found.mean_wait_s, found.num_started) == (0, 20)


def test_a_kind_that_the_fleet_has_none_of_comes_on_nodes_of_its_own() -> None:
    cores = Snapshot((Node("n0", "a", (1000,) * 4, "cpu", 64, 64, 1 << 38, 1 << 38),), full().pools)
    added = with_more(cores, "h100", 12).nodes[1:]
    assert [(node.pool, node.gpu, node.num_gpus, node.cpus) for node in added] == [
        ("new h100", "h100", 8, 64),
        ("new h100", "h100", 4, 64),
    ]


def test_what_can_never_be_placed_waits_for_nothing() -> None:
    never = replace(job(gpus=800), job="never")
    refused = Arrival(replace(never, submitted_s=900.0, was_accepted=True), 0.0)  # as is said of what has a reason
    found = outlook(replace(full(), running=(), waiting=(never,)), 1000.0, History(), [refused], over_s=3600)
    assert (found.mean_wait_s, found.num_started) == (0, 0)


def test_a_change_that_cannot_be_read_or_made_says_what_can() -> None:
    assert parse_change("H100:16") == ("H100", 16)
    for text in ("H100", ":3", "H100:0", "H100:-1", "H100:x", "H100:9999999"):
        with pytest.raises(UsageError, match="is no change"):
            parse_change(text)
    with pytest.raises(UsageError) as raised:
        with_more(replace(full(), nodes=(Node("n0", "a", (0,), "H100"),)), "H10", 8)
    assert raised.value.hint == "did you mean H100?"
