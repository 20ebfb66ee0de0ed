"""Which results of a history are the two sides of one session; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drivetrain.bench.results import Result


@dataclass(frozen=True, slots=True)
class Sides:
    """What can be compared.

    Attributes:
      pairs: results of A and B of the same case and session.
      missing: names of cases that A has and B has not.
      added: names of cases that B has and A has not.
    """

    pairs: tuple[tuple[Result, Result], ...]
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()


def newest_sides(results: Sequence[Result], before: str = "", after: str = "") -> Sides:
    """Both sides of each suite's newest session that has two.

    Args:
      results: by time.
      before: only sessions whose side A is of a commit that begins so.
      after: likewise of side B.
    """
    wanted = [one for one in results if one.commit.startswith(before if one.side == "A" else after)]
    chosen: dict[str, str] = {}  # suite -> session; later ones replace earlier ones
    both = {one.session for one in wanted if one.side == "A"} & {one.session for one in wanted if one.side == "B"}
    for one in wanted:
        if one.session in both:
            chosen[one.suite] = one.session
    kept = [one for one in wanted if chosen.get(one.suite) == one.session]
    return _sides(
        {one.name: one for one in kept if one.side == "A"}, {one.name: one for one in kept if one.side == "B"}
    )


def sides_of(before: Sequence[Result], after: Sequence[Result]) -> Sides:
    """The newest result of each case on either side, where both are of one session: nothing else makes pairs."""
    firsts, seconds = {one.name: one for one in before}, {one.name: one for one in after}
    found = _sides(firsts, seconds)
    apart = tuple(one.name for one, other in found.pairs if one.session != other.session)
    together = tuple((one, other) for one, other in found.pairs if one.session == other.session)
    return Sides(together, (*found.missing, *apart), found.added)


def _sides(firsts: dict[str, Result], seconds: dict[str, Result]) -> Sides:
    return Sides(
        tuple((first, seconds[name]) for name, first in firsts.items() if name in seconds),
        tuple(name for name in firsts if name not in seconds),
        tuple(name for name in seconds if name not in firsts),
    )
