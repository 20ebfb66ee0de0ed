"""One rank's events replayed: which stretch of its time was what, with the steps still to be judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from drivetrain.core.leaves import PHASES, Leaf
from drivetrain.ledger.events import Event

_PHASES: Mapping[str, Leaf] = {str(leaf): leaf for leaf in PHASES}


class Step(msgspec.Struct, gc=False):
    """One time that a rank took one step, or several recorded at once. A struct, as `Span`: a long run has millions.

    Attributes:
      begun: index of its `step_begin` among all events.
      first: the first step.
      last: the last step; the same unless several were recorded at once.
      is_done: whether it ended before its process did.
      skipped: those of its steps whose update was thrown away.
    """

    begun: int
    first: int
    last: int
    is_done: bool = False
    skipped: frozenset[int] = frozenset()


class Span(msgspec.Struct, gc=False):
    """A stretch of a rank's time: a leaf, or the own time of a step by its index in `RankReplay.steps`."""

    start_ns: int
    end_ns: int
    devices: int
    what: Leaf | int


class RankReplay:
    """A rank between its records: what it was given, whether its process lives, and what is open.

    A rank's state changes at its own records alone, so the time between two of them is one span, and a `hang` between
    them claims the whole of it. A phase opened while no process lives belongs to the next one: a process can write its
    first record before its supervisor has written `start`.
    """

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.steps: list[Step] = []
        self.resumes: list[tuple[int, int]] = []  # (index among all events, step)
        self.first_alloc: tuple[int, int] | None = None  # (when, devices)
        self.exit_code: int | None = None  # of its last process; None when it has none
        self.is_allocated = False
        self.is_alive = False
        self.num_starts = 0
        self._devices = 1
        self._attempt = 0
        self._has_exited = False  # since its last start, or since the devices became ours
        self._is_hung = False
        self._phases: list[str] = []
        self._step: int | None = None
        self._first_step_here = 0  # index of the first step since the process began or resumed
        self._first_span_here = 0  # index of the first span since the devices became ours
        self._allocated_ns = 0  # when they did
        self._at_ns: int | None = None

    def record(self, index: int, at_ns: int, event: Event) -> None:
        """Take the rank's next record, the `index`-th of all events."""
        self._advance(at_ns)
        apply = _APPLY.get(event.kind)
        if apply is not None:
            apply(self, index, event)

    def hang(self) -> None:
        """The supervisor found no progress: all time from the last record to the next one is `hang`."""
        self._is_hung = True

    def abandon(self, alive_until_ns: int, closes_ns: int) -> None:
        """Close an orphaned rank: without `exit` alive until its last beat, then down to the lease's end."""
        if self.is_allocated and not self._has_exited:
            self._cut(alive_until_ns)
            self._advance(alive_until_ns)
            self._leave()
            self._has_exited = True
            self._at_ns = max(alive_until_ns, self._allocated_ns)
        self._close(closes_ns)

    def pause(self, at_ns: int) -> None:
        """Count a rank that goes on up to this moment; an open step is as good as done for now."""
        self._close(at_ns)
        if self._step is not None:
            self.steps[self._step].is_done = True

    def _close(self, at_ns: int) -> None:
        if self.is_allocated:
            self._cut(at_ns)
            self._advance(at_ns)

    def _advance(self, to_ns: int) -> None:
        """Let time pass in the present state; none passes where the clocks of two hosts disagree."""
        at_ns = self._at_ns
        if at_ns is None:
            self._at_ns = to_ns
        elif to_ns > at_ns:
            if self.is_allocated:
                self._add(at_ns, to_ns, Leaf.HANG if self._is_hung else self._state())
            self._at_ns = to_ns
        self._is_hung = False

    def _state(self) -> Leaf | int:
        if not self.is_alive:
            return Leaf.DOWN if self._has_exited else Leaf.SETUP
        if self._phases:
            return _PHASES.get(self._phases[-1].partition("/")[0], Leaf.UNKNOWN)
        return Leaf.UNKNOWN if self._step is None else self._step

    def _add(self, start_ns: int, end_ns: int, what: Leaf | int) -> None:
        spans = self.spans
        if len(spans) > self._first_span_here:
            last = spans[-1]
            if last.what == what and last.devices == self._devices:
                last.end_ns = end_ns
                return
        spans.append(Span(start_ns, end_ns, self._devices, what))

    def _cut(self, at_ns: int) -> None:
        """Drop what lies past a moment, as far back as the devices became ours."""
        while len(self.spans) > self._first_span_here and self.spans[-1].end_ns > at_ns:
            if self.spans[-1].start_ns < at_ns:
                self.spans[-1].end_ns = at_ns
                return
            self.spans.pop()

    def _leave(self) -> None:
        """The process is gone: a step it was inside is not done, and its phases are closed."""
        self.is_alive = False
        self._step = None
        self._phases.clear()

    def _alloc(self, _: int, event: Event) -> None:
        if self.is_allocated and self.is_alive and event.attempt > self._attempt:
            self._leave()  # the exit of the attempt before was never written
        if not self.is_alive:
            self._has_exited = False
        if not self.is_allocated:
            self.is_allocated = True
            self._first_span_here = len(self.spans)
            self._allocated_ns = self._at_ns or 0
        self._devices = event.devices
        self._attempt = event.attempt
        if self.first_alloc is None:
            self.first_alloc = (self._allocated_ns, event.devices)

    def _release(self, _: int, __: Event) -> None:
        self._leave()
        self.is_allocated = False

    def _start(self, _: int, __: Event) -> None:
        if self.is_alive:
            self._leave()  # the exit of the process before was never written
        self.is_alive = True
        self.exit_code = None
        self._has_exited = False
        self.num_starts += 1
        self._first_step_here = len(self.steps)

    def _exit(self, _: int, event: Event) -> None:
        self.exit_code = event.code
        self._leave()
        self._has_exited = True

    def _again(self, _: int, event: Event) -> None:
        """The process has left its attempt and goes on in the next one: what was open is over, the step in vain."""
        self._leave()
        self.is_alive = True
        self._has_exited = False
        self.exit_code = None
        self._attempt = event.attempt
        self.num_starts += 1
        self._first_step_here = len(self.steps)

    def _begin(self, _: int, event: Event) -> None:
        self._phases.append(event.phase)

    def _end(self, _: int, event: Event) -> None:
        for position in range(len(self._phases) - 1, -1, -1):
            if self._phases[position] == event.phase:
                del self._phases[position]
                return

    def _step_begin(self, index: int, event: Event) -> None:
        if not self.is_alive:
            return
        if self._step is not None:
            self.steps[self._step].is_done = True  # its end was never written, but the rank went on
        self._step = len(self.steps)
        self.steps.append(Step(index, event.step, event.step + event.count - 1))

    def _step_end(self, _: int, event: Event) -> None:
        if self._step is None:
            return
        step = self.steps[self._step]
        step.first = min(step.first, event.step - event.count + 1)
        step.last = max(step.first, event.step)
        step.is_done = True
        self._step = None

    def _resume(self, index: int, event: Event) -> None:
        self.resumes.append((index, event.step))
        self._first_step_here = len(self.steps)

    def _skip(self, _: int, event: Event) -> None:
        for step in reversed(self.steps[self._first_step_here :]):
            if step.first <= event.step <= step.last:
                step.skipped |= {event.step}
                return


_APPLY: Mapping[str, Callable[[RankReplay, int, Event], None]] = {
    "alloc": RankReplay._alloc,
    "release": RankReplay._release,
    "start": RankReplay._start,
    "exit": RankReplay._exit,
    "again": RankReplay._again,
    "begin": RankReplay._begin,
    "end": RankReplay._end,
    "step_begin": RankReplay._step_begin,
    "step_end": RankReplay._step_end,
    "resume": RankReplay._resume,
    "skip": RankReplay._skip,
}
