"""Where every device-nanosecond of a run went: events in, account out, nothing read from the world.

Life of a value: `axis.place` puts events on one time axis, `replay.RankReplay` turns each rank's into spans and steps,
`verdict` judges the steps, and here they become intervals, leaves and totals.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from drivetrain.core.errors import LedgerError
from drivetrain.core.leaves import Leaf
from drivetrain.core.units import NS_PER_S
from drivetrain.ledger.axis import place
from drivetrain.ledger.events import Event
from drivetrain.ledger.replay import RankReplay
from drivetrain.ledger.verdict import Judge, Parts, judged


class Interval(msgspec.Struct, frozen=True, gc=False):
    """One stretch of one rank's time in one leaf. A struct and not a dataclass, as a long run has millions.

    Attributes:
      rank: whose.
      devices: how many accelerators it held.
      start_ns: UTC on the supervisor's clock.
      end_ns: likewise, later.
      leaf: what it was.
    """

    rank: int
    devices: int
    start_ns: int
    end_ns: int
    leaf: Leaf


@dataclass(frozen=True, slots=True)
class Account:
    """Every device-nanosecond that was allocated, in exactly one leaf.

    Attributes:
      leaves: device time by leaf in stacking order, without empty ones; sums to `allocated_ns`.
      allocated_ns: device time from `alloc` to `release` (or where the account closes), over all ranks.
      queued_ns: device time waited for between `submit` and the first `alloc`; never part of the others.
      by_rank: `leaves` for each rank.
      intervals: by rank, then by time; no two of a rank overlap, and neighbours differ.
      start_ns: when the first interval starts, UTC on the supervisor's clock; 0 when there is none.
      end_ns: when the last one ends.
      num_attempts: how often the rank that was started most often was started.
      num_steps_kept: steps that came to be productive, on the rank that took most.
      num_steps_lost: steps that it took in vain.
      is_running: some rank still has its devices and the supervisor's lease holds, so `leaves` will change.
      ideal_ns: device time that the arithmetic of the kept steps would take at the devices' peak; None where no step
        was ever profiled, because then nobody has counted it.
    """

    leaves: Mapping[str, int]
    allocated_ns: int
    queued_ns: int
    by_rank: Mapping[int, Mapping[str, int]]
    intervals: tuple[Interval, ...]
    start_ns: int
    end_ns: int
    num_attempts: int
    num_steps_kept: int
    num_steps_lost: int
    is_running: bool
    ideal_ns: int | None = None

    @property
    def goodput_pct(self) -> float:
        """Runtime goodput RG: productive over allocated device time, in percent; 0 when nothing was allocated."""
        return self.share_pct(Leaf.PRODUCTIVE)

    @property
    def program_goodput_pct(self) -> float | None:
        """Program goodput PG: ideal over productive device time, in percent; None where it was not measured."""
        productive_ns = self.leaves.get(Leaf.PRODUCTIVE, 0)
        return 100 * self.ideal_ns / productive_ns if self.ideal_ns is not None and productive_ns else None

    def share_pct(self, leaf: str) -> float:
        """A leaf over allocated device time, in percent."""
        return 100 * self.leaves.get(leaf, 0) / self.allocated_ns if self.allocated_ns else 0.0

    def check(self) -> None:
        """Raises LedgerError: leaves do not sum to allocated time, or two intervals of a rank overlap."""
        leaves_ns = sum(self.leaves.values())
        ranks_ns = sum(sum(leaves.values()) for leaves in self.by_rank.values())
        held_ns = sum((i.end_ns - i.start_ns) * i.devices for i in self.intervals)
        if not leaves_ns == ranks_ns == held_ns == self.allocated_ns:
            raise LedgerError(
                f"leaves sum to {leaves_ns} ns, ranks to {ranks_ns} ns and intervals to {held_ns} ns,"
                f" where {self.allocated_ns} ns were allocated"
            )
        for before, after in pairwise(self.intervals):
            if before.rank == after.rank and before.end_ns > after.start_ns:
                raise LedgerError(f"two intervals of rank {before.rank} overlap: {before} and {after}")


@dataclass(slots=True)
class _Story:
    """All events sorted out: by rank, and what concerns the run."""

    ranks: dict[int, RankReplay]
    commits: list[tuple[int, int]]  # (index among all events, step)
    submit_ns: int | None = None
    last_beat_ns: int | None = None
    last_event_ns: int = 0
    step_s: float | None = None  # of one device at its peak, for the arithmetic of a step


def account_of(events: Sequence[Event], lease_ns: int, read_at_ns: int) -> Account:
    """Account for every device-nanosecond of a run. Pure, and linear in the number of events.

    Args:
      events: in order of true time.
      lease_ns: how long after its last beat the supervisor is taken to live.
      read_at_ns: when the question is asked, UTC on the supervisor's clock.
    """
    story = _tell(events)
    is_open = any(replay.is_allocated for replay in story.ranks.values())
    # A supervisor that never beat was last seen alive when anybody last was.
    beat_ns = story.last_event_ns if story.last_beat_ns is None else story.last_beat_ns
    is_running = is_open and read_at_ns - beat_ns <= lease_ns
    for replay in story.ranks.values():
        if is_running:
            replay.pause(read_at_ns)
        else:
            replay.abandon(beat_ns, beat_ns + lease_ns)
    return _assemble(story, is_running=is_running, is_abandoned=is_open and not is_running)


def _tell(events: Sequence[Event]) -> _Story:
    times_ns = place(events)
    story = _Story({}, [], last_event_ns=max(0, max(times_ns, default=0)))
    for index, (event, at_ns) in enumerate(zip(events, times_ns, strict=True)):
        kind = event.kind
        if event.rank is not None:
            replay = story.ranks.get(event.rank)
            if replay is None:
                replay = story.ranks[event.rank] = RankReplay()
            replay.record(index, at_ns, event)
        if kind == "commit":
            story.commits.append((index, event.step))
        elif kind == "beat":
            story.last_beat_ns = at_ns
        elif kind == "hang" and event.of_rank in story.ranks:
            story.ranks[event.of_rank].hang()
        elif kind == "program":
            story.step_s = _ideal_step_s(event)
        elif kind == "submit" and story.submit_ns is None:
            story.submit_ns = at_ns
    return story


def _assemble(story: _Story, *, is_running: bool, is_abandoned: bool) -> Account:
    intervals: list[Interval] = []
    by_rank: dict[int, Mapping[str, int]] = {}
    num_kept = num_lost = 0
    for rank, replay in sorted(story.ranks.items()):
        ended_well = replay.exit_code == 0 and not is_abandoned
        judge = Judge(replay, story.commits, is_kept=is_running or ended_well)
        verdicts = [judge.parts(step) for step in replay.steps]
        own = _merged(rank, judged(replay.spans, verdicts))
        intervals += own
        by_rank[rank] = _leaves((i.leaf, (i.end_ns - i.start_ns) * i.devices) for i in own)
        num_kept, num_lost = max((num_kept, num_lost), _num_steps(verdicts), key=sum)
    leaves = _leaves(item for part in by_rank.values() for item in part.items())
    return Account(
        leaves=leaves,
        allocated_ns=sum(leaves.values()),
        queued_ns=_queued_ns(story),
        by_rank=by_rank,
        intervals=tuple(intervals),
        start_ns=min((i.start_ns for i in intervals), default=0),
        end_ns=max((i.end_ns for i in intervals), default=0),
        num_attempts=max((replay.num_starts for replay in story.ranks.values()), default=0),
        num_steps_kept=num_kept,
        num_steps_lost=num_lost,
        is_running=is_running,
        ideal_ns=None if story.step_s is None else round(num_kept * story.step_s * NS_PER_S),
    )


def _ideal_step_s(event: Event) -> float | None:
    """Of one device; None where the record says nothing that could be."""
    values = event.values or {}
    flops, peak = values.get("flops_per_step", 0.0), values.get("peak_flops_per_s", 0.0)
    return flops / peak if 0 < flops < math.inf and 0 < peak < math.inf else None


def _merged(rank: int, pieces: Iterable[tuple[int, int, int, Leaf]]) -> list[Interval]:
    """Intervals of one rank; pieces that touch and are alike become one."""
    merged: list[Interval] = []
    start_ns = end_ns = devices = 0
    leaf: Leaf | None = None
    for piece_start_ns, piece_end_ns, piece_devices, piece_leaf in pieces:
        if piece_leaf is leaf and piece_start_ns == end_ns and piece_devices == devices:
            end_ns = piece_end_ns
            continue
        if leaf is not None:
            merged.append(Interval(rank, devices, start_ns, end_ns, leaf))
        start_ns, end_ns, devices, leaf = piece_start_ns, piece_end_ns, piece_devices, piece_leaf
    if leaf is not None:
        merged.append(Interval(rank, devices, start_ns, end_ns, leaf))
    return merged


def _leaves(items: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Totals in stacking order, without empty ones."""
    total_ns = dict.fromkeys(map(str, Leaf), 0)
    for leaf, ns in items:
        total_ns[leaf] += ns
    return {leaf: ns for leaf, ns in total_ns.items() if ns}


def _num_steps(verdicts: Iterable[Parts]) -> tuple[int, int]:
    """How many steps were kept, and how many lost."""
    num_steps = dict.fromkeys(Leaf, 0)
    for parts in verdicts:
        for number, leaf in parts:
            num_steps[leaf] += number
    return num_steps[Leaf.PRODUCTIVE], num_steps[Leaf.LOST]


def _queued_ns(story: _Story) -> int:
    if story.submit_ns is None:
        return 0
    firsts = [replay.first_alloc for replay in story.ranks.values() if replay.first_alloc is not None]
    return sum(max(0, at_ns - story.submit_ns) * devices for at_ns, devices in firsts)
