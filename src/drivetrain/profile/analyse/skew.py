"""Collectives across ranks: how much of one is waiting for the last rank, how much is transfer, and who is last.

A collective ends for all ranks at once, so the rank that enters it last is in it for the shortest time. That time is
the pure transfer, and what the others are in it for longer is their waiting. No clocks are compared.
Source: PyTorch's TensorBoard plugin, `_process_distributed_profiles` (minimum over workers); TraceLens's NCCL analyser.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.profile.analyse.collectives import KINDS, Collectives, bus_share
from drivetrain.profile.trace import NONE, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Skew:
    """Collectives that were found on several ranks; shape (R,) in the order the ranks were given.

    Attributes:
      labels: of the ranks.
      num_matched: collectives.
      num_unmatched: of all ranks together, those that no other rank has, or that are another kind there.
      pure_ns: transfers of the matched ones, each once.
      skew_ns: from the last rank's entry back to the first one's, summed.
      wait_ns: how long each rank waited for the last.
      steps: numbers of the steps that these are of, `[0]` where steps are not told apart; shape (S,).
      step_wait_ns: `wait_ns` by step; shape (S, R).
      num_last: how often each rank was the last.
      late_ns: how long all others waited for it then: until it came after the last but one.
      lines: by kind, the longest waiting first.
    """

    labels: tuple[str, ...]
    num_matched: int
    num_unmatched: int
    pure_ns: int
    skew_ns: int
    wait_ns: Ints
    steps: Ints
    step_wait_ns: Ints
    num_last: Ints
    late_ns: Ints
    lines: tuple[SkewLine, ...]

    @property
    def last(self) -> str | None:
        """The rank that all wait for longest; None if nobody waits."""
        return self.labels[int(self.late_ns.argmax())] if self.late_ns.any() else None


@dataclass(frozen=True, slots=True)
class SkewLine:
    """Matched collectives of one kind; bandwidths are of pure transfers, None where sizes are unknown."""

    kind: str
    count: int
    pure_ns: int
    skew_ns: int
    bus_bytes_per_s: float | None


def skew(ranks: Sequence[Collectives]) -> Skew:
    """Match the n-th collective of a process group on each rank, and see who waited for whom.

    Where steps are marked it is the n-th of a step, and steps that some rank lacks are left out. Sends and receives
    are no collectives of a group, and are left out as well.
    """
    table = _table(ranks)
    table = table[np.lexsort(table.T[::-1])]
    same = (table[1:, :_RANK] == table[:-1, :_RANK]).all(axis=1)
    first = np.flatnonzero(np.concatenate(([True], ~same)))[: len(table)]
    count = np.diff(first, append=len(table))
    held = _matched(table, first, count)
    match = np.repeat(held, count)
    table = table[match]
    first = np.concatenate(([0], np.cumsum(count[held])))[:-1].astype(np.intp)
    return _skew(ranks, table, first, num_unmatched=int(np.count_nonzero(~match)))


_GROUP, _STEP, _NTH, _RANK, _KIND, _DUR, _BYTES, _SIZE = range(8)


def _table(ranks: Sequence[Collectives]) -> npt.NDArray[np.int64]:
    """A row for each collective: what tells it from others on its rank, then what is known of it; shape (C, 8)."""
    groups = {name: number for number, name in enumerate(sorted({name for rank in ranks for name in rank.groups}))}
    common = _common_steps(ranks)
    parts = [np.empty((0, 8), np.int64)]
    for number, rank in enumerate(ranks):
        held = rank.kind != KINDS.index("send_recv")
        if common is not None:
            held &= np.isin(rank.step, common)
        step = rank.step[held] if common is not None else np.zeros(np.count_nonzero(held), np.int64)
        group = np.array([groups[name] for name in rank.groups], np.int64)[rank.group[held]]
        columns = [rank.kind, rank.dur_ns, rank.size_bytes, rank.group_size]
        known = [column[held] for column in columns]
        parts.append(np.stack([group, step, _nth(group, step), np.full(len(step), number), *known], axis=1))
    return np.concatenate(parts)


def _common_steps(ranks: Sequence[Collectives]) -> Ints | None:
    """Numbers of steps that all ranks have; None where some has no steps."""
    found = [np.unique(rank.step[rank.step != NONE]) for rank in ranks if len(rank)]
    if not found or not all(len(each) for each in found):
        return None
    common = found[0]
    for each in found[1:]:
        common = np.intersect1d(common, each)
    return common


def _nth(group: Ints, step: Ints) -> Ints:
    """How many of the same group and step came before; shape as given."""
    order = np.lexsort((step, group))
    group, step = group[order], step[order]
    starts = np.concatenate(([True], (group[1:] != group[:-1]) | (step[1:] != step[:-1])))[: len(order)]
    at = np.arange(len(order))
    nth = np.empty(len(order), np.int64)
    nth[order] = at - np.maximum.accumulate(np.where(starts, at, 0))
    return nth


def _matched(
    table: npt.NDArray[np.int64], first: npt.NDArray[np.intp], count: npt.NDArray[np.intp]
) -> npt.NDArray[np.bool_]:
    """Which are the same collective on two ranks or more, and on no more than its group has."""
    if not len(first):
        return np.zeros(0, np.bool_)
    kind, size = table[:, _KIND], np.maximum.reduceat(table[:, _SIZE], first)
    alike = np.maximum.reduceat(kind, first) == np.minimum.reduceat(kind, first)
    held: npt.NDArray[np.bool_] = alike & (count > 1) & ((size == 0) | (count <= size))
    return held


def _skew(
    ranks: Sequence[Collectives], table: npt.NDArray[np.int64], first: npt.NDArray[np.intp], num_unmatched: int
) -> Skew:
    rank, lasted_ns = table[:, _RANK], table[:, _DUR]
    of = np.repeat(np.arange(len(first)), np.diff(first, append=len(table)))
    order = np.lexsort((lasted_ns, of))  # in each, the last rank to enter is the first row now
    rank, lasted_ns = rank[order], lasted_ns[order]
    shortest_ns, second_ns = lasted_ns[first], lasted_ns[first + 1] if len(first) else lasted_ns[first]
    longest_ns = np.maximum.reduceat(lasted_ns, first) if len(first) else shortest_ns
    last, num_ranks = rank[first], len(ranks)
    numbers, step = np.unique(table[:, _STEP][order], return_inverse=True)
    wait_ns = np.zeros((len(numbers), num_ranks), np.int64)
    np.add.at(wait_ns, (step, rank), lasted_ns - shortest_ns[of])
    return Skew(
        labels=tuple(each.label for each in ranks),
        num_matched=len(first),
        num_unmatched=num_unmatched,
        pure_ns=int(shortest_ns.sum()),
        skew_ns=int((longest_ns - shortest_ns).sum()),
        wait_ns=wait_ns.sum(axis=0),
        steps=numbers,
        step_wait_ns=wait_ns,
        num_last=np.bincount(last, minlength=num_ranks).astype(np.int64),
        late_ns=np.bincount(last, weights=second_ns - shortest_ns, minlength=num_ranks).astype(np.int64),
        lines=_lines(table[first], shortest_ns, longest_ns),
    )


def _lines(found: npt.NDArray[np.int64], shortest_ns: Ints, longest_ns: Ints) -> tuple[SkewLine, ...]:
    lines = []
    for kind in np.unique(found[:, _KIND]).tolist():
        held = found[:, _KIND] == kind
        sized = held & (found[:, _BYTES] != NONE) & (found[:, _SIZE] > 0)
        shares = np.array([bus_share(KINDS[kind], size) for size in found[sized, _SIZE].tolist()])
        lasted_ns = int(shortest_ns[sized].sum())
        lines.append(
            SkewLine(
                kind=KINDS[kind],
                count=int(np.count_nonzero(held)),
                pure_ns=int(shortest_ns[held].sum()),
                skew_ns=int((longest_ns - shortest_ns)[held].sum()),
                bus_bytes_per_s=float((found[sized, _BYTES] * shares).sum() / lasted_ns * 1e9) if lasted_ns else None,
            )
        )
    return tuple(sorted(lines, key=lambda line: -line.skew_ns))
