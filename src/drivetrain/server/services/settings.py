"""Quotas and budgets, as operators write them: checked before a controller has to live with them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from drivetrain.compute.policy.values import Budget, Pool, Quota
from drivetrain.core import config
from drivetrain.core.errors import UsageError

KINDS: Mapping[str, type[Any]] = {"pool": Pool, "quota": Quota, "budget": Budget}
"""What is listed; pools are described in server.toml and written by nobody else."""
T = TypeVar("T")
_MOST = 10**15
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")


def setting_of(kind: str, name: str, values: Mapping[str, object], *, pools: Sequence[str]) -> Quota | Budget:
    """What somebody wrote, as a quota or a budget.

    Args:
      name: under which it is kept: `TEAM@POOL` of a quota, `TEAM` of a budget; one each.
      pools: that there are.
    Raises: UsageError: it has a key that is not known, a value out of range, another name, or a pool that is none.
    """
    if kind == "quota":
        quota = config.load(Quota, values, where="quota")
        _check_quota(quota)
        if quota.pool and quota.pool not in pools:
            guess = config.nearest(quota.pool, list(pools)) or ", ".join(pools)
            raise UsageError(f"quota: there is no pool {quota.pool!r}", hint=f"did you mean {guess}?")
        return _named(quota, f"{quota.team}@{quota.pool}", name)
    if kind == "budget":
        budget = config.load(Budget, values, where="budget")
        _check_labels("budget", {"team": budget.team})
        _check_amounts("budget", {"limit": budget.limit, "spent": budget.spent})
        if not 0 <= budget.warn_at <= 1:
            raise UsageError(f"budget: warn_at is {budget.warn_at:g}, expected 0 to 1")
        return _named(budget, budget.team, name)
    raise UsageError(f"a {kind[:40]} is not written here", hint="pools are described in server.toml")


def _check_quota(quota: Quota) -> None:
    _check_labels("quota", {"team": quota.team})
    _check_labels("quota", {what: name for what in ("cohort", "pool") if (name := getattr(quota, what))})
    amounts = ("nominal_milli", "most_borrowed_milli", "most_lent_milli")
    _check_amounts("quota", {what: getattr(quota, what) or 0 for what in amounts})
    if not 0 < quota.weight < math.inf:
        raise UsageError(f"quota: weight is {quota.weight:g}, expected more than 0")


def _named(record: T, expected: str, name: str) -> T:
    if name != expected:
        raise UsageError(f"this is kept as {expected!r}, and not as {name[:80]!r}")
    return record


def _check_labels(where: str, names: Mapping[str, str]) -> None:
    for what, name in names.items():
        if not _LABEL.fullmatch(name):
            raise UsageError(f"{where}: {what} {name[:70]!r}: expected up to 63 letters, digits, '.', '_', '@' and '-'")


def _check_amounts(where: str, amounts: Mapping[str, int]) -> None:
    for what, amount in amounts.items():
        if not 0 <= amount <= _MOST:
            raise UsageError(f"{where}: {what} is {str(amount)[:40]}, expected 0 to {_MOST:,}")
