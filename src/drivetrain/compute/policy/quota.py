"""What teams may use: what each owns, what it lends, what it borrows, in one cohort; milli-devices.

The rule is Kueue's: a team may always use what it owns and does not lend; all that is lent lies in one pot of the
cohort, from which a team takes what it uses on top, its own lent part among it.
"""

from __future__ import annotations

from collections.abc import Iterable

from drivetrain.compute.policy.values import Quota


class Book:
    """Who uses how much of which quota, while a plan is made."""

    def __init__(self, quotas: Iterable[Quota]) -> None:
        self._quotas = {(quota.team, quota.pool): quota for quota in quotas}
        self._members: dict[tuple[str, str], list[Quota]] = {}
        for quota in sorted(self._quotas.values(), key=lambda quota: (quota.pool, quota.team)):
            self._members.setdefault(_account(quota), []).append(quota)
        self._pot = {key: sum(map(_lendable, members)) for key, members in self._members.items()}
        self._limited = {pool for _, pool in self._quotas}
        self._used: dict[tuple[str, str], int] = {}
        self._lent: dict[tuple[str, str], int] = {}

    def copy(self) -> Book:
        """Another that changes by itself."""
        other = Book(())
        other._quotas, other._members, other._limited = self._quotas, self._members, self._limited
        other._pot = self._pot
        other._used, other._lent = dict(self._used), dict(self._lent)
        return other

    def use(self, team: str, pool: str, milli: int) -> None:
        """The team uses so much more; less, where it is negative."""
        for quota in self.quotas_of(team, pool):
            key = (team, quota.pool)
            before = self._used.get(key, 0)
            self._used[key] = before + milli
            kept = quota.nominal_milli - _lendable(quota)
            account = _account(quota)
            taken = max(0, before + milli - kept) - max(0, before - kept)
            self._lent[account] = self._lent.get(account, 0) + taken

    def used(self, team: str, pool: str) -> int:
        """Of the quota that binds the team most in this pool; 0 where none does."""
        return max((self._used.get((team, quota.pool), 0) for quota in self.quotas_of(team, pool)), default=0)

    def quotas_of(self, team: str, pool: str) -> list[Quota]:
        """Those that count what the team uses of this pool."""
        return [self._quotas[key] for key in ((team, pool), (team, "")) if key in self._quotas]

    def is_limited(self, pool: str) -> bool:
        """Whether anybody has a quota there: then nobody uses it without one."""
        return pool in self._limited or "" in self._limited

    def room(self, team: str, pool: str) -> int | None:
        """How much more the team may use now; None where nothing limits it."""
        if not self.is_limited(pool):
            return None
        return min((self._room(quota) for quota in self.quotas_of(team, pool)), default=0)

    def most(self, team: str, pool: str) -> int | None:
        """How much the team could use were nobody else there; None where nothing limits it."""
        if not self.is_limited(pool):
            return None
        found = [
            quota.nominal_milli + min(_borrowable(quota), self._others_lend(quota))
            for quota in self.quotas_of(team, pool)
        ]
        return min(found, default=0)

    def owns(self, team: str, pool: str, milli: int) -> bool:
        """Whether the team would use no more than its own with so much more: then it may ask back what it lent."""
        quotas = self.quotas_of(team, pool)
        return bool(quotas) and all(
            self._used.get((team, quota.pool), 0) + milli <= quota.nominal_milli for quota in quotas
        )

    def borrowed(self, team: str, pool: str, more_milli: int = 0) -> int:
        """How much more than its own the team uses, with so much more."""
        used = {quota.pool: self._used.get((team, quota.pool), 0) + more_milli for quota in self.quotas_of(team, pool)}
        over = (used[quota.pool] - quota.nominal_milli for quota in self.quotas_of(team, pool))
        return max(0, max(over, default=0))

    def lenders(self, team: str, pool: str) -> list[str]:
        """Teams of its cohorts that use less than they own, those that lend most first."""
        idle: dict[str, int] = {}
        for quota in self.quotas_of(team, pool):
            for other in self._members[_account(quota)]:
                spare = min(_lendable(other), other.nominal_milli - self._used.get((other.team, other.pool), 0))
                if other.team != team and spare > 0:
                    idle[other.team] = max(idle.get(other.team, 0), spare)
        return sorted(idle, key=lambda name: (-idle[name], name))

    def accounts(self, team: str, pool: str) -> tuple[tuple[str, str], ...]:
        """Names for what is counted together with what the team uses there."""
        return tuple(_account(quota) for quota in self.quotas_of(team, pool))

    def shares_cohort(self, team: str, other: str, pool: str) -> bool:
        """Whether one may borrow from the other there."""
        mine = {_account(quota) for quota in self.quotas_of(team, pool)}
        return any(_account(quota) in mine for quota in self.quotas_of(other, pool))

    def _room(self, quota: Quota) -> int:
        used = self._used.get((quota.team, quota.pool), 0)
        kept = quota.nominal_milli - _lendable(quota)
        account = _account(quota)
        pot = self._pot[account] - self._lent.get(account, 0)
        return min(max(0, kept - used) + pot, quota.nominal_milli + _borrowable(quota) - used)

    def _others_lend(self, quota: Quota) -> int:
        return self._pot[_account(quota)] - _lendable(quota)


def _account(quota: Quota) -> tuple[str, str]:
    """What is counted together: a cohort in a pool; a team by itself where it has none."""
    return (f"cohort {quota.cohort}" if quota.cohort else f"team {quota.team}", quota.pool)


def _lendable(quota: Quota) -> int:
    if quota.most_lent_milli is None:
        return quota.nominal_milli
    return min(quota.nominal_milli, quota.most_lent_milli)


def _borrowable(quota: Quota) -> int:
    """A bound that is never reached where it may borrow all."""
    if not quota.cohort:
        return 0
    return 1 << 62 if quota.most_borrowed_milli is None else quota.most_borrowed_milli
