"""What teams have paid for devices in the day, week or month that is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from drivetrain.compute.controller.states import AttemptRecord
from drivetrain.compute.policy.periods import LONGEST_S, began_s
from drivetrain.compute.policy.values import MILLI, Budget, Pool

Prices = Sequence[tuple[float, int]]
"""From when on, in seconds since the epoch, which price of a device and an hour, in millionths; the first always."""
_NO_PAST: Mapping[str, Prices] = {}
_NO_PRICE: Prices = ((0.0, 0),)
"""Of a pool of which nothing is known any more."""


@dataclass(frozen=True, slots=True)
class _Paid:
    """Devices of a paid pool that somebody had. Attributes: per_s: millionths of the currency a second."""

    begin_s: float
    end_s: float
    per_s: float

    def since(self, at_s: float) -> float:
        """What it cost from then on."""
        return self.per_s * max(0.0, self.end_s - max(at_s, self.begin_s))


class SpendBook:
    """Money of teams that have a budget, at the price of the time; a reserved pool may have one too.

    Args:
      pools: with their present prices.
      past: since when each pool had which price, in order; the last is the present one. Also of pools that are gone:
        what was paid there was spent.
    """

    def __init__(self, pools: Iterable[Pool], budgets: Iterable[Budget], past: Mapping[str, Prices] = _NO_PAST) -> None:
        present: dict[str, Prices] = {pool.name: ((0.0, pool.price_per_gpu_h),) for pool in pools}
        self._prices = present | {pool: prices for pool, prices in past.items() if prices}
        self._ended: dict[str, list[_Paid]] = {budget.team: [] for budget in budgets}
        self._sums: dict[tuple[str, float], float] = {}

    def add(self, team: str, attempt: AttemptRecord) -> None:
        """An attempt that has ended."""
        if attempt.ended_s is None or team not in self._ended:
            return
        paid = list(self._paid(attempt, attempt.ended_s))
        self._ended[team] += paid
        for (other, at_s), before in self._sums.items():
            if other == team:
                self._sums[other, at_s] = before + sum(each.since(at_s) for each in paid)

    def counted(
        self, budgets: Sequence[Budget], living: Sequence[tuple[str, AttemptRecord]], now_s: float
    ) -> tuple[Budget, ...]:
        """Budgets with what was spent of them. Args: living: team and attempt of all that hold something now."""
        found = []
        for budget in budgets:
            since_s = began_s(budget.per, now_s)
            spent = self._ended_since(budget.team, since_s)
            whose = (attempt for team, attempt in living if team == budget.team)
            spent += sum(paid.since(since_s) for attempt in whose for paid in self._paid(attempt, now_s))
            found.append(replace(budget, spent=budget.spent + round(spent)))
        return tuple(found)

    def _ended_since(self, team: str, at_s: float) -> float:
        """Kept while a day, week or month lasts; what ended long before it is forgotten."""
        if (team, at_s) not in self._sums:
            self._sums = {key: amount for key, amount in self._sums.items() if key[1] > at_s - LONGEST_S}
            kept = [paid for paid in self._ended[team] if paid.end_s > at_s - LONGEST_S]
            self._ended[team] = kept
            self._sums[team, at_s] = sum(paid.since(at_s) for paid in kept)
        return self._sums[team, at_s]

    def _paid(self, attempt: AttemptRecord, end_s: float) -> Iterator[_Paid]:
        """What it had, in parts of one price each."""
        devices = sum(milli for share in attempt.shares for _, milli in share.milli) / MILLI or len(attempt.shares)
        prices = self._prices.get(attempt.pool, _NO_PRICE)
        ends = [at_s for at_s, _ in prices[1:]] + [end_s]
        part_s = attempt.placed_s
        for (_, price), until_s in zip(prices, ends, strict=True):
            to_s = min(end_s, until_s)
            if price and part_s < to_s:
                yield _Paid(part_s, to_s, devices * price / 3600)
            part_s = max(part_s, to_s)
