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
from dataclasses import dataclass
from itertools import accumulate, pairwise
from operator import add

import msgspec

from drivetrain.core.leaves import Leaf
from drivetrain.core.units import NS_PER_S
from drivetrain.ledger.fleet.events import GAP, LETTERS, RankTold, Told
from drivetrain.ledger.fleet.node import Claim
from drivetrain.ledger.fleet.sweep import Attempt

PATIENCE_NS = 600 * NS_PER_S
"""After which an attempt that has said nothing is not taken to be on its way any more."""

_LEAVES = {letter: leaf for leaf, letter in LETTERS.items()}
_DOWN = LETTERS[Leaf.DOWN]


Terms = tuple[str, int]
"""On which something is held: a pool, and the price of a device and an hour."""


class Story(msgspec.Struct, frozen=True, gc=False):
    """One rank's time, each nanosecond in one leaf.

    Attributes:
      edges_ns: where its stretches begin and end, on the controller's clock; one more than there are stretches.
      spans_ns: how long each of them is.
      letters: of their leaves.
      weight: devices that it says it held.
      first: letter of the leaf before all of them.
      last: letter of the leaf after all of them.
    """

    edges_ns: Sequence[int]
    spans_ns: Sequence[int]
    letters: str
    weight: int
    first: str
    last: str

    def add_to(self, spent_ns: dict[str, int], start_ns: int, end_ns: int, *, is_down: bool) -> None:
        """How long it was in each leaf, by letter, in a window that is not empty.

        Before and after its stretches it may be down; a gap between them stays one.
        """
        edges_ns, letters = self.edges_ns, self.letters
        first_ns, last_ns = edges_ns[0], edges_ns[-1]
        if start_ns < first_ns:
            spent_ns[_DOWN if is_down else self.first] += min(end_ns, first_ns) - start_ns
        if end_ns > last_ns:
            spent_ns[_DOWN if is_down else self.last] += end_ns - max(start_ns, last_ns)
        from_ns, to_ns = max(start_ns, first_ns), min(end_ns, last_ns)
        if from_ns >= to_ns:
            return
        begin, end = bisect_right(edges_ns, from_ns) - 1, bisect_left(edges_ns, to_ns)
        for letter, span_ns in zip(letters[begin:end], self.spans_ns[begin:end], strict=True):
            spent_ns[letter] += span_ns
        spent_ns[letters[begin]] -= from_ns - edges_ns[begin]
        spent_ns[letters[end - 1]] -= edges_ns[end] - to_ns


@dataclass(frozen=True, slots=True)
class Together:
    """What the same ranks held at the same time, of however many nodes: each story is then gone through once.

    Attributes:
      is_down: the nodes did not answer.
      terms: on which they held it, each once.
      stories: of the ranks, by the milli that each had on each of these terms.
    """

    start_ns: int
    end_ns: int
    is_down: bool
    terms: Sequence[Terms]
    stories: Mapping[tuple[int, ...], Sequence[Story]]


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that an attempt held, each part of it once, with its ranks. Attributes: moved_ns: of the account's times."""

    attempt: Attempt
    held: Sequence[Together]
    moved_ns: int

    def parts(self, start_ns: int, end_ns: int) -> Iterator[tuple[Terms, Leaf, int]]:
        """(on which terms, leaf, milli-ns) in a window; together all that was held there."""
        for held in self.held:
            first_ns, last_ns, is_down = max(start_ns, held.start_ns), min(end_ns, held.end_ns), held.is_down
            if first_ns >= last_ns:
                continue
            for shares, stories in held.stories.items():
                spent_ns: dict[str, int] = defaultdict(int)
                for story in stories:
                    story.add_to(spent_ns, first_ns, last_ns, is_down=is_down)
                for letter, span_ns in spent_ns.items():
                    untold = letter == GAP and is_down
                    leaf = Leaf.DOWN if untold else _LEAVES.get(letter, Leaf.UNKNOWN)
                    for terms, milli in zip(held.terms, shares, strict=True):
                        yield terms, leaf, span_ns * milli


def explained(attempt: Attempt, read_at_ns: int) -> Explanation:
    """Lay what was told of an attempt over what it held."""
    told, silent = attempt.told, _silence(attempt)
    if told is None or not any(rank.leaves for rank in told.ranks):
        return Explanation(attempt, _held(attempt.claims, [[silent]] * len(attempt.claims)), 0)
    moved_ns = _move(told, attempt.start_ns, read_at_ns if attempt.end_ns is None else attempt.end_ns)
    stories = {rank.rank: _story(rank, moved_ns, silent, is_final=not told.is_running) for rank in told.ranks}
    return Explanation(attempt, _held(attempt.claims, _by_claim(attempt.claims, stories, silent)), moved_ns)


def _held(claims: Sequence[Claim], stories: Sequence[Sequence[Story]]) -> list[Together]:
    """Args: stories: of the ranks of each claim, at least one; claims that name no ranks have one list of them."""
    alike: dict[tuple[int, int, int, bool], tuple[Sequence[Story], dict[Terms, list[int]]]] = {}
    for claim, ranks in zip(claims, stories, strict=True):
        weights = [story.weight for story in ranks]
        for holding in claim.holdings:
            key = id(ranks), holding.start_ns, holding.end_ns, holding.is_down
            _, by_terms = alike.setdefault(key, (ranks, {}))
            terms, shares = (holding.pool, holding.price), divided(holding.milli, weights)
            by_terms[terms] = list(map(add, by_terms[terms], shares)) if terms in by_terms else shares
    found = []
    for (_, start_ns, end_ns, is_down), (ranks, by_terms) in alike.items():
        by_shares: dict[tuple[int, ...], list[Story]] = defaultdict(list)
        for story, *shares in zip(ranks, *by_terms.values(), strict=True):
            by_shares[tuple(shares)].append(story)
        found.append(Together(start_ns, end_ns, is_down, tuple(by_terms), by_shares))
    return found


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
    return Story((attempt.start_ns + PATIENCE_NS,), (), "", 1, LETTERS[first], LETTERS[Leaf.UNKNOWN])


def _story(rank: RankTold, moved_ns: int, silent: Story, *, is_final: bool) -> Story:
    num = min(len(rank.spans_ns), len(rank.leaves))
    if not num:
        return msgspec.structs.replace(silent, weight=rank.devices)
    last = Leaf.UNKNOWN
    if is_final:
        last = Leaf.DOWN if rank.leaves[num - 1] == LETTERS[Leaf.DOWN] else Leaf.TEARDOWN
    spans_ns = rank.spans_ns[:num]
    edges_ns = list(accumulate(spans_ns, initial=rank.start_ns + moved_ns))
    return Story(edges_ns, spans_ns, rank.leaves[:num], rank.devices, LETTERS[Leaf.SETUP], LETTERS[last])
