"""Each recovery of a run, phase by phase: what failed, when it was noticed, left, met, restored, and gone on from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from drivetrain.ledger.axis import place
from drivetrain.ledger.events import Event

_OF_RANKS = frozenset({"again", "begin", "end", "step_begin", "step_end", "resume"})
_RENDEZVOUS, _RESTORE = "init/rendezvous", "restore"


@dataclass(frozen=True, slots=True)
class Recovery:
    """How one attempt followed the one before. Times are UTC ns; None where it came to no such moment.

    Attributes:
      attempt: the one that began.
      failed: (rank, exit code) of the ranks that ended with an error, in order; empty where none did: a person or
        another number of ranks ended the attempt, or nobody was left to record it.
      is_hang: whether the first of them was killed because no rank made progress.
      step: the last step that it began; None when it had begun none.
      last_ns: its last record; the true moment of the failure lies between this and `noticed_ns`.
      noticed_ns: the supervisor recorded the hang or the end.
      left_ns: the last of the processes that stayed had left the attempt before.
      begun_ns: the last rank had a process in the new attempt.
      met_ns: the last rank had met the others.
      restored_ns: the last rank had its state back.
      restored_from: where that came from; `nothing` where the run began anew.
      stepped_ns: the last rank had done a step.
      num_stayed: ranks whose process went on.
      num_redone: steps that were done before and are done again.
    """

    attempt: int
    failed: tuple[tuple[int, int], ...]
    is_hang: bool
    step: int | None
    last_ns: int | None
    noticed_ns: int | None
    left_ns: int | None
    begun_ns: int
    met_ns: int | None
    restored_ns: int | None
    restored_from: Literal["memory", "checkpoint", "nothing"]
    stepped_ns: int | None
    num_stayed: int
    num_redone: int

    @property
    def duration_ns(self) -> int | None:
        """From the last record of what failed to the end of the first step of all ranks; None where there is none."""
        began_ns = self.last_ns if self.last_ns is not None else self.noticed_ns
        return None if began_ns is None or self.stepped_ns is None else self.stepped_ns - began_ns


_End = tuple[int, int, int, int]
"""Of a rank's process: when it was recorded, the attempt that it ended, the rank, its exit code."""
_Hang = tuple[int, dict[int, int]]
"""When it was recorded, and when each rank had recorded something last."""


@dataclass(slots=True)
class _Attempt:
    """What the ranks recorded in one attempt: times of the first or last of something, by rank."""

    begun_ns: dict[int, int] = field(default_factory=dict)
    last_ns: dict[int, int] = field(default_factory=dict)
    left_ns: dict[int, int] = field(default_factory=dict)
    met_ns: dict[int, int] = field(default_factory=dict)
    restored_ns: dict[int, int] = field(default_factory=dict)
    restored_from: set[str] = field(default_factory=set)
    stepped_ns: dict[int, int] = field(default_factory=dict)
    last_begun: dict[int, int] = field(default_factory=dict)
    num_done: int = 0  # steps done by its end, counted from the beginning of the run
    resumed_at: int | None = None

    def take(self, rank: int, event: Event, at_ns: int) -> None:
        self.begun_ns.setdefault(rank, at_ns)
        self.last_ns[rank] = at_ns
        if event.kind == "again":
            self.left_ns[rank] = at_ns
        elif event.kind == "end" and event.phase == _RENDEZVOUS:
            self.met_ns[rank] = at_ns
        elif event.kind == "end" and event.phase.partition("/")[0] == _RESTORE and rank not in self.stepped_ns:
            self.restored_ns[rank] = at_ns
            self.restored_from.add(event.phase.partition("/")[2])
        elif event.kind == "resume" and rank not in self.stepped_ns:
            self.resumed_at = event.step
        elif event.kind == "step_begin":
            self.last_begun[rank] = event.step
        elif event.kind == "step_end":
            self.stepped_ns.setdefault(rank, at_ns)
            self.num_done = max(self.num_done, event.step + 1)


def recoveries(events: Sequence[Event]) -> tuple[Recovery, ...]:
    """One for each attempt after the first that any rank recorded something of.

    Args:
      events: of one run, in order of time; those of `read_history`.
    """
    attempts: dict[int, _Attempt] = {}
    ends: list[_End] = []
    hangs: list[_Hang] = []
    for event, at_ns in zip(events, place(events), strict=True):
        if event.kind in _OF_RANKS and event.rank is not None:
            attempts.setdefault(event.attempt, _Attempt()).take(event.rank, event, at_ns)
        elif event.kind == "exit" and event.code != 0 and event.rank is not None:
            ends.append((at_ns, event.attempt, event.rank, event.code))
        elif event.kind == "hang":
            hangs.append((at_ns, dict(attempts[max(attempts)].last_ns) if attempts else {}))
    numbers = sorted(attempts)
    return tuple(_recovery(number, attempts, ends, hangs) for number in numbers[1:])


def _recovery(number: int, attempts: dict[int, _Attempt], ends: list[_End], hangs: list[_Hang]) -> Recovery:
    now, before_number = attempts[number], max(each for each in attempts if each < number)
    before = attempts[before_number]
    since_ns = min(before.begun_ns.values())
    # Attempts between the two are ones that ended before any rank had begun them.
    failed = [end for end in ends if before_number <= end[1] < number]
    rank, noticed_ns, last_ns = None, None, before.last_ns
    if failed:
        noticed_ns, _, rank, _ = failed[0]
    hang = next((each for each in hangs if failed and since_ns <= each[0] <= failed[0][0]), None)
    if hang is not None:
        noticed_ns, last_ns = hang
    num_done = max(each.num_done for other, each in attempts.items() if other < number)
    return Recovery(
        attempt=number,
        failed=tuple((rank, code) for _, _, rank, code in failed),
        is_hang=hang is not None,
        step=None if rank is None else before.last_begun.get(rank),
        last_ns=None if rank is None else last_ns.get(rank),
        noticed_ns=noticed_ns,
        left_ns=max(now.left_ns.values(), default=None),
        begun_ns=max(now.begun_ns.values()),
        met_ns=max(now.met_ns.values(), default=None),
        restored_ns=max(now.restored_ns.values(), default=None),
        restored_from="memory" if "memory" in now.restored_from else "checkpoint" if now.restored_from else "nothing",
        stepped_ns=max(now.stepped_ns.values()) if now.stepped_ns.keys() == now.begun_ns.keys() else None,
        num_stayed=len(now.left_ns),
        num_redone=0 if now.resumed_at is None else max(0, num_done - now.resumed_at),
    )
