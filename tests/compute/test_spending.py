"""What teams pay, counted as they use it, and what comes of a budget in the controller's world."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drivetrain.compute.controller.changes import Settings
from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.spending import SpendBook
from drivetrain.compute.controller.states import AttemptRecord, AttemptState, JobRecord
from drivetrain.compute.controller.world import World
from drivetrain.compute.job import Job
from drivetrain.compute.policy.periods import began_s
from drivetrain.compute.policy.plan import plan
from drivetrain.compute.policy.values import MILLI, Budget, Pool, Share

MONTH_S = 1_790_812_800.0
"""2026-10-01, a Thursday."""
POOL = Pool("p", "on-demand", 3_600_000)
DAY_S, HOUR_S = 86400.0, 3600.0


def attempt(placed_s: float, ended_s: float | None = None, gpus: int = 2) -> AttemptRecord:
    share = Share("n", tuple((at, MILLI) for at in range(gpus)))
    return AttemptRecord(id="j.0", job="j", number=0, shares=(share,), pool="p", placed_s=placed_s, ended_s=ended_s)


def test_a_day_a_week_and_a_month_begin_by_utc() -> None:
    now_s = MONTH_S + 5.5 * DAY_S
    assert [began_s(per, now_s) - MONTH_S for per in ("day", "week", "month")] == [5 * DAY_S, 4 * DAY_S, 0]
    assert began_s("week", MONTH_S) == MONTH_S - 3 * DAY_S


@pytest.mark.parametrize("is_asked_before", [False, True])
def test_what_was_held_since_the_month_began_counts(is_asked_before: bool) -> None:
    budgets = (Budget("maps", 10**12), Budget("planning", 10**12, spent=7))
    book, now_s = SpendBook((POOL,), budgets), MONTH_S + 10 * HOUR_S
    if is_asked_before:
        book.counted(budgets, (), now_s)
    book.add("maps", attempt(MONTH_S - HOUR_S, MONTH_S + HOUR_S))
    book.add("maps", attempt(MONTH_S - 2 * HOUR_S, MONTH_S - HOUR_S))
    book.add("nobody", attempt(MONTH_S, MONTH_S + HOUR_S))
    counted = book.counted(budgets, [("maps", attempt(now_s - 1800))], now_s)
    assert [budget.spent for budget in counted] == [2 * 3_600_000 + 3_600_000, 7]
    (later,) = book.counted(budgets[:1], (), now_s + 31 * DAY_S)
    assert later.spent == 0


def test_what_was_paid_in_a_pool_that_is_gone_was_spent() -> None:
    budgets, had = (Budget("maps", 10**12),), attempt(MONTH_S, MONTH_S + HOUR_S)
    spent = []
    for past in ({}, {"p": ((0.0, 3_600_000),)}):
        book = SpendBook((), budgets, past)
        book.add("maps", had)
        (counted,) = book.counted(budgets, [("maps", had)], MONTH_S + HOUR_S)
        spent.append(counted.spent)
    assert spent == [0, 4 * 3_600_000]


def test_a_team_is_warned_once_and_stopped_once_its_budget_is_spent() -> None:
    node = NodeRecord(name="n", pool="p", gpu="H100", num_gpus=2, cpus=8)
    world = World((), (), (node,), Settings((POOL,), (), (Budget("maps", 20_000_000),)))
    job = Job(command=("true",), gpus=2, cpus=1)
    world.add(JobRecord(id="j", job=job, user="ana", team="maps", run="r", submitted_s=MONTH_S))
    warned, states = [], []
    for hours in (0, 1, 2, 2.5, 2.7, 2.8):
        now_s = MONTH_S + hours * HOUR_S
        world.decided(plan(world.snapshot(now_s), now_s), now_s)
        world.alive("j.0", now_s)
        warned += [data.reason for kind, _, data in world.take_changes().events if kind == "warn"]  # type: ignore[attr-defined]
        states.append(world.attempts["j"].state)
    assert warned == [
        "team maps has spent 90 % of its budget (18.00 of 20.00)",
        "team maps has spent 101 % of its budget (20.16 of 20.00)",
    ]
    assert states == [AttemptState.RUNNING] * 5 + [AttemptState.LEAVING]
    world.exited("j.0", 0, 143, now_s)
    world.decided(plan(world.snapshot(now_s), now_s), now_s)
    assert world.jobs["j"].reason.endswith("it waits until there is more, or the next month begins, 2026-11-01 by UTC")
    ahead_s = MONTH_S + 31 * DAY_S
    world.decided(plan(world.snapshot(ahead_s), ahead_s), ahead_s)
    assert "j" in world.attempts


def test_what_was_held_costs_what_it_cost_then() -> None:
    prices = ((0.0, 3_600_000), (MONTH_S + HOUR_S, 36_000_000), (MONTH_S + 2 * HOUR_S, 0))
    budgets = (Budget("maps", 10**12),)
    book = SpendBook((replace(POOL, price_per_gpu_h=0),), budgets, {"p": prices})
    book.add("maps", attempt(MONTH_S, MONTH_S + 3 * HOUR_S))
    living = [("maps", attempt(MONTH_S + 1.5 * HOUR_S))]
    (counted,) = book.counted(budgets, living, MONTH_S + 3 * HOUR_S)
    assert counted.spent == 2 * (3_600_000 + 36_000_000) + 36_000_000


def test_what_nodes_without_accelerators_cost_goes_by_nodes() -> None:
    bare = replace(attempt(MONTH_S), shares=(Share("n"), Share("m")))
    (found,) = SpendBook((POOL,), (Budget("maps", 1),)).counted(
        (Budget("maps", 1),), [("maps", bare)], MONTH_S + HOUR_S
    )
    assert found.spent == 2 * 3_600_000
