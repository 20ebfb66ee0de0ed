"""What teams may still spend: a warning before the end, and at the end their paid work saves and waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from drivetrain.compute.policy.periods import ends_s
from drivetrain.compute.policy.values import Budget, Pool, Preempt, Running, Snapshot, Warn


def warnings(snapshot: Snapshot) -> list[Warn]:
    """Of budgets that come to their end, or have."""
    budgets = sorted(snapshot.budgets, key=lambda budget: (budget.team, budget.limit))
    near = [budget for budget in budgets if budget.spent >= budget.limit * budget.warn_at]
    return [Warn(budget.team, text(budget), budget.spent >= budget.limit) for budget in near]


def spent(snapshot: Snapshot) -> Mapping[str, Budget]:
    """Budgets that nothing is left of, by team."""
    return {budget.team: budget for budget in snapshot.budgets if budget.spent >= budget.limit}


def text(budget: Budget) -> str:
    """How a budget stands, in words."""
    share = f"{100 * budget.spent / budget.limit:.0f} %" if budget.limit else "all"
    money = f"{budget.spent / 1e6:,.2f} of {budget.limit / 1e6:,.2f}"
    return f"team {budget.team} has spent {share} of its budget ({money})"


def waits(budget: Budget, now_s: float) -> str:
    """What somebody waits for whose team has spent all, in words."""
    if not budget.limit:
        return f"{text(budget)}; it waits until there is more"
    anew = datetime.fromtimestamp(ends_s(budget.per, now_s), tz=UTC)
    return f"{text(budget)}; it waits until there is more, or the next {budget.per} begins, {anew:%Y-%m-%d} by UTC"


def is_paid(pool: Pool) -> bool:
    """Whether use of it counts on a budget."""
    return pool.price_per_gpu_h > 0


def stops(
    running: Iterable[tuple[Running, Pool]], over: Mapping[str, Budget], prices_s: Mapping[str, float]
) -> list[Preempt]:
    """Jobs of teams that have spent all: they save and wait until there is more.

    Args:
      prices_s: what is lost of each.
    """
    found = []
    for job, pool in running:
        if job.team in over and is_paid(pool) and not job.leaving:
            reason = f"{text(over[job.team])}; it saves, and waits until there is more"
            found.append(Preempt(job.job, job.grace_s, "", prices_s[job.job], reason))
    return found
