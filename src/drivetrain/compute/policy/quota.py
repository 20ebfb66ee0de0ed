"""What teams may use: what each owns, what it lends, what it borrows, in one cohort; milli-devices.

The rule is Kueue's: a team may always use what it owns and does not lend; all that is lent lies in one pot of the
cohort, from which a team takes what it uses on top, its own lent part among it. A team without a quota, a guest, owns
nothing: it borrows what nobody owns, and then of all pots, and gives it back when an owner asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from drivetrain.compute.policy.values import Quota

NO_LIMIT = 1 << 62
_GUESTS = "guests"


@dataclass(frozen=True, slots=True)
class _Limit:
    """A quota, with what follows from it.

    Attributes:
      key: team and pool.
      account: what is counted together: a cohort in a pool; a team by itself where it has none.
      owned, lent: milli.
      kept: what of its own it does not lend.
      most: that it may use in all.
    """

    key: tuple[str, str]
    account: tuple[str, str]
    owned: int
    lent: int
    kept: int
    most: int


class _Binding(NamedTuple):
    """What counts a team's use of a pool.

    Attributes:
      accounts: of the limits.
      is_guest: whether they are others' alone.
    """

    limits: tuple[_Limit, ...]
    accounts: tuple[tuple[str, str], ...]
    is_guest: bool


class Book:
    """Who uses how much of which quota, while a plan is made."""

    def __init__(self, quotas: Iterable[Quota], capacity_milli: Mapping[str, int] | None = None) -> None:
        """Args: capacity_milli: what each pool has in all, so that it is known what of it nobody owns."""
        self._limits = {(quota.team, quota.pool): _limit(quota) for quota in quotas}
        self._members: dict[tuple[str, str], list[_Limit]] = {}
        for _, limit in sorted(self._limits.items()):
            self._members.setdefault(limit.account, []).append(limit)
        self._pot = {account: sum(limit.lent for limit in members) for account, members in self._members.items()}
        self._limited = {pool for _, pool in self._limits}
        self._of: dict[tuple[str, str], _Binding] = {}
        self._mosts: dict[tuple[str, str], int | None] = {}
        self._rooms: dict[tuple[str, str], int | None] = {}
        self._used = dict.fromkeys(self._limits, 0)
        self._taken = dict.fromkeys(self._members, 0)
        self._accounts = {pool: [name for name in self._members if name[1] == pool] for pool in self._limited}
        self._idle = {pool: sum(self._pot[name] for name in names) for pool, names in self._accounts.items()}
        for pool in self._limited:
            has = sum(milli for name, milli in (capacity_milli or {}).items() if pool in ("", name))
            owned = sum(limit.owned for limit in self._limits.values() if limit.key[1] == pool)
            self._pot[_GUESTS, pool], self._taken[_GUESTS, pool] = max(0, has - owned), 0

    def copy(self) -> Book:
        """Another that changes by itself."""
        other = Book(())
        other._limits, other._members, other._pot = self._limits, self._members, self._pot
        other._limited, other._of, other._accounts, other._mosts = self._limited, self._of, self._accounts, self._mosts
        other._used, other._taken, other._idle = self._used.copy(), self._taken.copy(), self._idle.copy()
        return other

    def use(self, team: str, pool: str, milli: int) -> None:
        """The team uses so much more; less, where it is negative."""
        self._rooms.clear()
        for limit in self._binding(team, pool).limits:
            before = self._used.get(limit.key, 0)
            after = self._used[limit.key] = before + milli
            if after > limit.kept or before > limit.kept:
                self._take(limit.account, max(0, after - limit.kept) - max(0, before - limit.kept))

    def is_limited(self, pool: str) -> bool:
        """Whether anybody has a quota there: then who has none borrows."""
        return pool in self._limited or "" in self._limited

    def is_guest(self, team: str, pool: str) -> bool:
        """Whether others have a quota there, and the team has none."""
        return self._binding(team, pool).is_guest

    def used(self, team: str, pool: str) -> tuple[int, int]:
        """How much of how much that it owns a team uses, by the quota that binds it most; it has one."""
        limits = self._binding(team, pool).limits
        limit = min(limits, key=lambda limit: (limit.owned - self._used[limit.key], limit.key))
        return self._used[limit.key], limit.owned

    def room(self, team: str, pool: str) -> int | None:
        """How much more the team may use now; None where nothing limits it."""
        key = team, pool
        if key not in self._rooms:
            self._rooms[key] = min([self._room(limit) for limit in self._binding(team, pool).limits], default=None)
        return self._rooms[key]

    def most(self, team: str, pool: str) -> int | None:
        """How much the team could use were nobody else there; None where nothing limits it."""
        key = team, pool
        if key not in self._mosts:
            self._mosts[key] = min([self._most(limit) for limit in self._binding(team, pool).limits], default=None)
        return self._mosts[key]

    def owns(self, team: str, pool: str, milli: int) -> bool:
        """Whether the team would use no more than its own with so much more: then it may ask back what it lent."""
        limits = self._binding(team, pool).limits
        return bool(limits) and all(self._used.get(limit.key, 0) + milli <= limit.owned for limit in limits)

    def borrowed(self, team: str, pool: str, more_milli: int = 0) -> int:
        """How much more than its own the team uses, with so much more."""
        over = [self._used.get(limit.key, 0) + more_milli - limit.owned for limit in self._binding(team, pool).limits]
        return max(0, *over) if over else 0

    def is_lent(self, team: str, pool: str) -> bool:
        """Whether others of its cohorts, or guests, use more than they own."""
        limits = self._binding(team, pool).limits
        if any(self._taken[_GUESTS, limit.key[1]] > 0 for limit in limits):
            return True
        members = (other for limit in limits for other in self._members.get(limit.account, ()))
        return any(self._used[other.key] > other.owned for other in members)

    def lender(self, team: str, pool: str) -> str:
        """Who has most to lend to it now; empty where nobody has."""
        idle = [
            (min(other.lent, other.owned - self._used[other.key]), other.key[0])
            for limit in self._binding(team, pool).limits
            for account in self._lenders(limit)
            for other in self._members[account]
            if other.key[0] != team
        ]
        most, name = max(idle, default=(0, ""), key=lambda found: (found[0], found[1]))
        return name if most > 0 else ""

    def accounts(self, team: str, pool: str) -> tuple[tuple[str, str], ...]:
        """Names for what is counted together with what the team uses there."""
        return self._binding(team, pool).accounts

    def shares_cohort(self, team: str, other: str, pool: str) -> bool:
        """Whether one may borrow from the other there."""
        if self.is_guest(team, pool) or self.is_guest(other, pool):
            return True
        return not set(self.accounts(team, pool)).isdisjoint(self.accounts(other, pool))

    def _binding(self, team: str, pool: str) -> _Binding:
        found = self._of.get((team, pool))
        if found is None:
            limits = tuple(self._limits[key] for key in ((team, pool), (team, "")) if key in self._limits)
            scopes = [scope for scope in (pool, "") if scope in self._limited]
            is_guest = not limits and bool(scopes)
            limits = limits or tuple(_guest(team, scope) for scope in scopes)
            found = self._of[team, pool] = _Binding(limits, tuple(limit.account for limit in limits), is_guest)
        return found

    def _lenders(self, limit: _Limit) -> list[tuple[str, str]]:
        """Whose pots it may take from."""
        return self._accounts[limit.key[1]] if _is_guest(limit) else [limit.account]

    def _take(self, account: tuple[str, str], milli: int) -> None:
        """So much more is taken from what is lent; a pot of which more is taken than it has is not idle."""
        left = self._left(account)
        self._taken[account] += milli
        if account[0] != _GUESTS:
            self._idle[account[1]] += max(0, left - milli) - max(0, left)

    def _left(self, account: tuple[str, str]) -> int:
        return self._pot[account] - self._taken[account]

    def _lent_to_guests(self, pool: str) -> int:
        """What guests have of what others own."""
        return max(0, -self._left((_GUESTS, pool)))

    def _room(self, limit: _Limit) -> int:
        used, scope = self._used.get(limit.key, 0), limit.key[1]
        idle = self._idle[scope]
        if _is_guest(limit):
            return self._left(limit.account) + idle
        pot = min(self._left(limit.account), idle - self._lent_to_guests(scope))
        own = limit.kept - used
        return min(own + pot if own > 0 else pot, limit.most - used)

    def _most(self, limit: _Limit) -> int:
        if _is_guest(limit):
            return self._pot[limit.account] + sum(self._pot[account] for account in self._accounts[limit.key[1]])
        return min(limit.kept + self._pot[limit.account], limit.most)


def _guest(team: str, scope: str) -> _Limit:
    """What limits a team that owns nothing there."""
    return _Limit((team, scope), (_GUESTS, scope), 0, 0, 0, NO_LIMIT)


def _is_guest(limit: _Limit) -> bool:
    return limit.account[0] == _GUESTS


def _limit(quota: Quota) -> _Limit:
    lent = quota.nominal_milli if quota.most_lent_milli is None else min(quota.nominal_milli, quota.most_lent_milli)
    borrows = 0 if not quota.cohort else NO_LIMIT if quota.most_borrowed_milli is None else quota.most_borrowed_milli
    name = f"cohort {quota.cohort}" if quota.cohort else f"team {quota.team}"
    owned = quota.nominal_milli
    return _Limit((quota.team, quota.pool), (name, quota.pool), owned, lent, owned - lent, owned + borrows)
