"""Steps judged: which part of a step's own time is productive, lost or skipped, once the whole story is known."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise

from drivetrain.core.leaves import Leaf
from drivetrain.ledger.replay import RankReplay, Span, Step

Parts = Sequence[tuple[int, Leaf]]
"""The verdict on steps recorded at once: (how many, leaf) in order."""


class _Later:
    """For any point in the order of events: the extreme of the step numbers that later marks name."""

    def __init__(self, marks: Sequence[tuple[int, int]], extreme: Callable[[int, int], int]) -> None:
        self._indices = [index for index, _ in marks]
        self._steps = list(accumulate((step for _, step in reversed(marks)), extreme))[::-1]

    def than(self, index: int) -> int | None:
        """The extreme over marks after `index`, None when there is none."""
        position = bisect_right(self._indices, index)
        return self._steps[position] if position < len(self._steps) else None


class Judge:
    """The verdict on each step of one rank.

    A commit covers a step taken before it (begun, because the two are recorded by different processes); a step redone
    after the commit waits for the next one. A resume undoes what its own rank did before it.
    """

    def __init__(self, replay: RankReplay, commits: Sequence[tuple[int, int]], *, is_kept: bool) -> None:
        """Commits are (index among all events, step) in order; `is_kept`: steps that none covers are productive."""
        self._resumes = _Later(replay.resumes, min)
        self._commits = _Later(commits, max)
        self._is_kept = is_kept

    def parts(self, step: Step) -> Parts:
        """How many of its steps, in order, came to which leaf; they sum to all of them."""
        undone_from = self._resumes.than(step.begun)
        covered_below = step.last + 1 if self._is_kept else self._commits.than(step.begun)
        cuts = [step.first, step.last + 1]
        if step.first < step.last:
            marks = (undone_from, covered_below, *step.skipped, *(number + 1 for number in step.skipped))
            cuts = sorted({*cuts, *(cut for cut in marks if cut is not None and step.first < cut <= step.last)})
        parts = []
        for first, after in pairwise(cuts):
            if first in step.skipped:
                leaf = Leaf.SKIPPED
            elif not step.is_done or (undone_from is not None and undone_from <= first):
                leaf = Leaf.LOST
            else:
                leaf = Leaf.PRODUCTIVE if covered_below is not None and first < covered_below else Leaf.LOST
            parts.append((after - first, leaf))
        return parts


def judged(spans: Sequence[Span], verdicts: Sequence[Parts]) -> Iterator[tuple[int, int, int, Leaf]]:
    """A rank's spans as (start ns, end ns, devices, leaf), given the verdict on each of its steps.

    Steps recorded at once share their own time equally, in order, to the nanosecond.
    """
    mixed_ns = {index: 0 for index, parts in enumerate(verdicts) if len(parts) > 1}
    for span in spans:
        if span.what in mixed_ns:
            mixed_ns[span.what] += span.end_ns - span.start_ns
    borders = {index: _shared(verdicts[index], own_ns) for index, own_ns in mixed_ns.items()}
    spent_ns = dict.fromkeys(borders, 0)
    for span in spans:
        if isinstance(span.what, Leaf):
            yield span.start_ns, span.end_ns, span.devices, span.what
        elif span.what in borders:
            yield from _split(span, spent_ns[span.what], borders[span.what])
            spent_ns[span.what] += span.end_ns - span.start_ns
        else:
            yield span.start_ns, span.end_ns, span.devices, verdicts[span.what][0][1]


def _shared(parts: Parts, own_ns: int) -> list[tuple[int, Leaf]]:
    num_steps = sum(number for number, _ in parts)
    ends = accumulate(number for number, _ in parts)
    return [(own_ns * end // num_steps, leaf) for end, (_, leaf) in zip(ends, parts, strict=True)]


def _split(span: Span, spent_ns: int, borders: Sequence[tuple[int, Leaf]]) -> Iterator[tuple[int, int, int, Leaf]]:
    """Cut one span of a step's own time where its borders, counted in own time, fall into it."""
    zero_ns = span.start_ns - spent_ns
    start_ns = span.start_ns
    for until_ns, leaf in borders:
        end_ns = min(zero_ns + until_ns, span.end_ns)
        if end_ns > start_ns:
            yield start_ns, end_ns, span.devices, leaf
            start_ns = end_ns
