"""What an attempt did with what it held: its own account laid over its allocation, which is the truth.

1. The account is moved by the least that brings it inside the allocation, where it sticks out at one end and has room
   at the other: a process lives only while it has its devices, so that its host's clock must be off by as much.
2. What sticks out even so is cut.
3. Time before a rank's first record is `setup`; between two records `unknown`; after the last `teardown`, but `down`
   where it was down when last heard of, and `unknown` where more was to come.
4. A rank that said nothing is in `setup` for the first ten minutes of an attempt that runs, and `unknown` from then on;
   of an attempt that has ended it was `unknown` all the time.
5. Time that no record explains is `down` while its node did not answer.
6. The milli of a node are divided among its ranks by the devices that they say they held, to the last milli; who says
   nothing counts as one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from operator import sub

from drivetrain.core.leaves import Leaf
from drivetrain.core.units import NS_PER_S
from drivetrain.ledger.fleet.events import GAP, LETTERS, RankTold, Told
from drivetrain.ledger.fleet.node import Claim, Holding
from drivetrain.ledger.fleet.sweep import Attempt

PATIENCE_NS = 600 * NS_PER_S
"""After which an attempt that has said nothing is not taken to be on its way any more."""

_LEAVES = {letter: leaf for leaf, letter in LETTERS.items()}


@dataclass(frozen=True, slots=True)
class Story:
    """One rank's time, each nanosecond in one leaf.

    Attributes:
      edges_ns: where its stretches begin and end, on the controller's clock; one more than there are stretches.
      letters: of their leaves.
      weight: devices that it says it held.
      first: the leaf before all of them.
      last: the leaf after all of them.
    """

    edges_ns: Sequence[int]
    letters: str
    weight: int
    first: Leaf
    last: Leaf

    def spent_ns(self, start_ns: int, end_ns: int, *, is_down: bool) -> dict[Leaf, int]:
        """How long it was in each leaf in a window that is not empty; what no record explains may be `down`."""
        edges_ns, letters = self.edges_ns, self.letters
        spent: dict[Leaf, int] = defaultdict(int)
        if start_ns < edges_ns[0]:
            spent[Leaf.DOWN if is_down else self.first] += min(end_ns, edges_ns[0]) - start_ns
        if end_ns > edges_ns[-1]:
            spent[Leaf.DOWN if is_down else self.last] += end_ns - max(start_ns, edges_ns[-1])
        from_ns, to_ns = max(start_ns, edges_ns[0]), min(end_ns, edges_ns[-1])
        if from_ns >= to_ns:
            return spent
        begin, end = bisect_right(edges_ns, from_ns) - 1, bisect_left(edges_ns, to_ns)
        told: dict[str, int] = defaultdict(int)
        spans_ns = map(sub, edges_ns[begin + 1 : end + 1], edges_ns[begin:end])
        for letter, span_ns in zip(letters[begin:end], spans_ns, strict=True):
            told[letter] += span_ns
        told[letters[begin]] -= from_ns - edges_ns[begin]
        told[letters[end - 1]] -= edges_ns[end] - to_ns
        for letter, span_ns in told.items():
            untold = letter == GAP and is_down
            spent[Leaf.DOWN if untold else _LEAVES.get(letter, Leaf.UNKNOWN)] += span_ns
        return spent


@dataclass(frozen=True, slots=True)
class Explanation:
    """An attempt's ranks.

    Attributes:
      stories: of the ranks of each of its claims, at least one.
      moved_ns: what the account's times were moved by.
    """

    attempt: Attempt
    stories: Sequence[Sequence[Story]]
    moved_ns: int

    def parts(self, start_ns: int, end_ns: int) -> Iterator[tuple[Holding, Leaf, int]]:
        """(of which holding, leaf, milli-ns) in a window; together all that was held there."""
        for claim, stories in zip(self.attempt.claims, self.stories, strict=True):
            for holding in claim.holdings:
                first_ns, last_ns = max(start_ns, holding.start_ns), min(end_ns, holding.end_ns)
                if first_ns >= last_ns:
                    continue
                shares = divided(holding.milli, [story.weight for story in stories])
                for story, milli in zip(stories, shares, strict=True):
                    for leaf, span_ns in story.spent_ns(first_ns, last_ns, is_down=holding.is_down).items():
                        yield holding, leaf, span_ns * milli


def explained(attempt: Attempt, read_at_ns: int) -> Explanation:
    """Lay what was told of an attempt over what it held."""
    told, silent = attempt.told, _silence(attempt)
    if told is None or not any(rank.leaves for rank in told.ranks):
        return Explanation(attempt, [[silent]] * len(attempt.claims), 0)
    moved_ns = _move(told, attempt.start_ns, read_at_ns if attempt.end_ns is None else attempt.end_ns)
    stories = {rank.rank: _story(rank, moved_ns, silent, is_final=not told.is_running) for rank in told.ranks}
    return Explanation(attempt, _by_claim(attempt.claims, stories, silent), moved_ns)


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


def _by_claim(claims: Sequence[Claim], stories: Mapping[int, Story], silent: Story) -> list[list[Story]]:
    """The ranks that a claim names; of one that names none, all that no claim names."""
    named = {rank for claim in claims for rank in claim.alloc.ranks}
    others = [story for rank, story in stories.items() if rank not in named] or [silent]
    return [[stories.get(rank, silent) for rank in claim.alloc.ranks] or others for claim in claims]


def _move(told: Told, start_ns: int, end_ns: int) -> int:
    """What to add to the account's times."""
    ranks = [rank for rank in told.ranks if rank.leaves]
    first_ns = min(rank.start_ns for rank in ranks) - told.ahead_ns
    last_ns = max(rank.start_ns + sum(rank.spans_ns) for rank in ranks) - told.ahead_ns
    later_ns = min(max(0, start_ns - first_ns), max(0, end_ns - last_ns))
    earlier_ns = min(max(0, last_ns - end_ns), max(0, first_ns - start_ns))
    return later_ns - earlier_ns - told.ahead_ns


def _silence(attempt: Attempt) -> Story:
    """Of a rank that said nothing."""
    first = Leaf.SETUP if attempt.end_ns is None else Leaf.UNKNOWN
    return Story((attempt.start_ns + PATIENCE_NS,), "", 1, first, Leaf.UNKNOWN)


def _story(rank: RankTold, moved_ns: int, silent: Story, *, is_final: bool) -> Story:
    num = min(len(rank.spans_ns), len(rank.leaves))
    if not num:
        return replace(silent, weight=rank.devices)
    last = Leaf.UNKNOWN
    if is_final:
        last = Leaf.DOWN if rank.leaves[num - 1] == LETTERS[Leaf.DOWN] else Leaf.TEARDOWN
    edges_ns = list(accumulate(rank.spans_ns[:num], initial=rank.start_ns + moved_ns))
    return Story(edges_ns, rank.leaves[:num], rank.devices, Leaf.SETUP, last)
