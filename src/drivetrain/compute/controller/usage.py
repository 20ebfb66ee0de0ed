"""What teams have used lately: device-seconds that count half as much after each half-life."""

from __future__ import annotations

import math
from collections.abc import Iterable

from drivetrain.compute.controller.states import AttemptRecord
from drivetrain.compute.policy.values import Usage

HALF_LIFE_S = 24 * 3600.0


class UsageBook:
    """Decayed use by team. What a team holds counts as it is held, so that a long job is not free until it ends.

    A device held from `a` to `b` counts, at `now`, the integral of 2^(-(now - t) / half-life) over that time.
    """

    def __init__(self, *, half_life_s: float = HALF_LIFE_S) -> None:
        self._rate = math.log(2) / half_life_s
        self._ended: dict[str, tuple[float, float]] = {}
        self._held: dict[str, int] = {}

    def add(self, team: str, attempt: AttemptRecord) -> None:
        """An attempt that has ended."""
        if attempt.ended_s is not None:
            amount = _milli(attempt) * self._integral(attempt.placed_s, attempt.ended_s, attempt.ended_s)
            before, at_s = self._ended.get(team, (0.0, attempt.ended_s))
            now_s = max(at_s, attempt.ended_s)
            total = before * self._left(now_s - at_s) + amount * self._left(now_s - attempt.ended_s)
            self._ended[team] = total, now_s
            self._held.pop(attempt.id, None)

    def at(self, now_s: float, living: Iterable[tuple[str, AttemptRecord]]) -> tuple[Usage, ...]:
        """Of each team, by name. Args: living: team and attempt of all that hold something now."""
        found = {team: amount * self._left(now_s - at_s) for team, (amount, at_s) in self._ended.items()}
        rate, known, exp = self._rate, self._held, math.exp
        for team, attempt in living:
            milli = known.get(attempt.id)
            if milli is None:
                milli = known[attempt.id] = _milli(attempt)
            held = milli * (1.0 - exp(-rate * max(0.0, now_s - attempt.placed_s))) / rate
            found[team] = found.get(team, 0.0) + held
        return tuple(Usage(team, found[team]) for team in sorted(found))

    def _left(self, age_s: float) -> float:
        return math.exp(-self._rate * max(0.0, age_s))

    def _integral(self, begin_s: float, end_s: float, now_s: float) -> float:
        return (self._left(now_s - end_s) - self._left(now_s - begin_s)) / self._rate


def _milli(attempt: AttemptRecord) -> int:
    return sum(milli for share in attempt.shares for _, milli in share.milli)
