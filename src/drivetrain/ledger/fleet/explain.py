"""What an attempt did with what it held: its own account laid over its allocation, which is the truth.

1. The account is moved by the least that brings it inside the allocation, where it sticks out at one end and has room
   at the other: a process lives only while it has its devices, so that its host's clock must be off by as much.
2. What sticks out even so is cut.
3. Time before a rank's first record is `setup`; between two records `unknown`; after the last `teardown`, but `down`
   where it was down when last heard of, and `unknown` where more was to come.
4. An attempt that said nothing is in `setup` while it holds its devices, and was `unknown` once it has let go of them.
5. Time that no record explains is `down` while its node did not answer.
6. The milli of a node are divided among its ranks by the devices that they say they held, to the last milli.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter

from drivetrain.core.leaves import Leaf
from drivetrain.ledger.fleet.events import RankTold, Told
from drivetrain.ledger.fleet.node import Claim, Holding
from drivetrain.ledger.fleet.sweep import Attempt

_LEAVES = {leaf.value: leaf for leaf in Leaf}


@dataclass(frozen=True, slots=True)
class Steps:
    """A rank's leaf at any time: `leaves[i]` from `edges_ns[i - 1]` to `edges_ns[i]`, the first and last without end.

    Attributes:
      is_told: whether a record says so, for each.
    """

    edges_ns: Sequence[int]
    leaves: Sequence[Leaf]
    is_told: Sequence[bool]


@dataclass(frozen=True, slots=True)
class Explanation:
    """An attempt's ranks, for each of its claims: (steps, weight); `silent` where nothing was told of a node."""

    attempt: Attempt
    ranks: Sequence[Sequence[tuple[Steps, int]]]
    silent: Leaf
    moved_ns: int

    def parts(self, start_ns: int, end_ns: int) -> Iterator[tuple[Holding, Leaf, int]]:
        """(of which holding, leaf, milli-ns) in a window; all of what was held there, each nanosecond once."""
        for claim, ranks in zip(self.attempt.claims, self.ranks, strict=True):
            for holding in claim.holdings:
                first_ns, last_ns = max(start_ns, holding.start_ns), min(end_ns, holding.end_ns)
                if first_ns >= last_ns:
                    continue
                if not ranks:
                    leaf = Leaf.DOWN if holding.is_down else self.silent
                    yield holding, leaf, (last_ns - first_ns) * holding.milli
                    continue
                shares = divided(holding.milli, [weight for _, weight in ranks])
                for (steps, _), milli in zip(ranks, shares, strict=True):
                    for leaf, span_ns in _spans(steps, first_ns, last_ns, is_down=holding.is_down):
                        yield holding, leaf, span_ns * milli


def explained(attempt: Attempt, read_at_ns: int) -> Explanation:
    """Lay what was told of an attempt over what it held."""
    told, silent = attempt.told, Leaf.SETUP if attempt.end_ns is None else Leaf.UNKNOWN
    if told is None or not any(rank.stretches for rank in told.ranks):
        return Explanation(attempt, [()] * len(attempt.claims), silent, 0)
    moved_ns = _move(told, attempt.start_ns, read_at_ns if attempt.end_ns is None else attempt.end_ns)
    steps = {rank.rank: (_steps(rank, moved_ns, silent, told), rank.devices) for rank in told.ranks}
    return Explanation(attempt, _by_claim(attempt.claims, steps), silent, moved_ns)


def divided(whole: int, weights: Sequence[int]) -> list[int]:
    """Whole parts that sum to the whole, as near to the weights as can be; equal ones where all weights are zero."""
    total = sum(weights)
    if not total:
        weights, total = [1] * len(weights), len(weights)
    ends, reached = [0], 0
    for weight in weights:
        reached += weight
        ends.append(whole * reached // total)
    return [after - before for before, after in pairwise(ends)]


def _by_claim(claims: Sequence[Claim], steps: Mapping[int, tuple[Steps, int]]) -> list[Sequence[tuple[Steps, int]]]:
    named = {rank for claim in claims for rank in claim.alloc.ranks}
    others = [found for rank, found in steps.items() if rank not in named]
    return [
        [steps[rank] for rank in claim.alloc.ranks if rank in steps] if claim.alloc.ranks else others
        for claim in claims
    ]


def _move(told: Told, start_ns: int, end_ns: int) -> int:
    """What to add to the account's times."""
    stretches = [stretch for rank in told.ranks for stretch in rank.stretches]
    first_ns = min(stretch.start_ns for stretch in stretches) - told.ahead_ns
    last_ns = max(stretch.end_ns for stretch in stretches) - told.ahead_ns
    later_ns = min(max(0, start_ns - first_ns), max(0, end_ns - last_ns))
    earlier_ns = min(max(0, last_ns - end_ns), max(0, first_ns - start_ns))
    return later_ns - earlier_ns - told.ahead_ns


def _steps(rank: RankTold, moved_ns: int, silent: Leaf, told: Told) -> Steps:
    """Where stretches overlap the earlier one counts; names that no leaf has are unknown."""
    edges_ns: list[int] = []
    leaves: list[Leaf] = [Leaf.SETUP]
    is_told = [False]
    for stretch in sorted(rank.stretches, key=attrgetter("start_ns")):
        start_ns, end_ns = stretch.start_ns + moved_ns, stretch.end_ns + moved_ns
        if edges_ns:
            start_ns = max(start_ns, edges_ns[-1])
        if end_ns <= start_ns:
            continue
        if edges_ns and start_ns > edges_ns[-1]:
            leaves.append(Leaf.UNKNOWN)
            is_told.append(False)
        if not edges_ns or start_ns > edges_ns[-1]:
            edges_ns.append(start_ns)
        leaves.append(_LEAVES.get(stretch.leaf, Leaf.UNKNOWN))
        is_told.append(True)
        edges_ns.append(end_ns)
    if not edges_ns:
        return Steps((), (silent,), (False,))
    if told.is_running:
        leaves.append(Leaf.UNKNOWN)
    else:
        leaves.append(Leaf.DOWN if leaves[-1] is Leaf.DOWN else Leaf.TEARDOWN)
    return Steps(edges_ns, leaves, [*is_told, False])


def _spans(steps: Steps, start_ns: int, end_ns: int, *, is_down: bool) -> Iterator[tuple[Leaf, int]]:
    index = bisect_right(steps.edges_ns, start_ns)
    at_ns = start_ns
    while at_ns < end_ns:
        until_ns = min(end_ns, steps.edges_ns[index]) if index < len(steps.edges_ns) else end_ns
        leaf = Leaf.DOWN if is_down and not steps.is_told[index] else steps.leaves[index]
        yield leaf, until_ns - at_ns
        at_ns, index = until_ns, index + 1
