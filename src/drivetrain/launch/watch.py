"""What the ranks of one attempt have recorded so far, and what their processes do."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from drivetrain.core.leaves import Leaf
from drivetrain.core.units import NS_PER_S
from drivetrain.ledger import Event, JournalTail
from drivetrain.store import RunFolder

if TYPE_CHECKING:
    from drivetrain.launch.hang import Look

_NUM_STEPS = 200  # the latest ones are the measure of the next
_NUM_STEPS_LEAST = 20
_NUM_TURNS = 50
_NUM_TURNS_LEAST = 5  # of quick ones; the first are slower than the others
_APART = frozenset({Leaf.SETUP, Leaf.INIT, Leaf.COMPILE, Leaf.RESTORE, Leaf.CHECKPOINT, Leaf.EVAL})
"""Phases that are no part of doing steps."""
_BUSY_SHARE = 0.05  # of one core; what threads that only beat or listen use is far below


class Progress(Struct, frozen=True):
    """Where an attempt stands.

    Attributes:
      attempt: from 0.
      step: the last step that any rank has done, or that was done where it went on; None where none is.
      scalars: the latest metrics that a rank logged, by name.
      num_alive: ranks that run.
      saved_step: how many steps the newest checkpoint covers, whoever wrote it and wherever it lies; None while the
        attempt has recorded none.
    """

    attempt: int
    step: int | None
    scalars: Mapping[str, float]
    num_alive: int
    num_ranks: int
    saved_step: int | None = None


class _Rank(Struct):
    """What is known of one rank.

    Attributes:
      heard_ns: when a poll last found a record; None while there is none.
      last_ns: the time of its last record.
      begun_ns: when its open step began; None outside a step.
      turned_ns: when the last step began that it recorded.
      num_phases: how many phases are open inside it.
      phase_ns: when the outermost of them began.
      apart_ns: how long such phases have taken in this step; an evaluation, say, is no part of what a step takes.
      used_ticks: processor time of its process when last looked at.
      used_at_ns: when it was last seen to use the processor.
      looked_ns: when that was looked at.
      done: how many steps are done, at most since it last went back by several; one that was left is none.
      num_left: how often it has left a step in vain since it did the last one.
      stepless_ns: how long it has been at its steps since the last of them was done.
      phases: those that are open, the innermost last.
    """

    tail: JournalTail
    heard_ns: int | None = None
    last_ns: int = 0
    begun_ns: int | None = None
    turned_ns: int | None = None
    num_phases: int = 0
    phase_ns: int = 0
    apart_ns: int = 0
    used_ticks: int = 0
    used_at_ns: int = 0
    looked_ns: int = 0
    done: int = 0
    num_left: int = 0
    stepless_ns: int = 0
    phases: list[str] = field(default_factory=list)

    @property
    def is_apart(self) -> bool:
        """Whether it does what is no part of doing steps; who leaves a step again and again has not come to the end."""
        phase = self.phases[-1] if self.phases else ""
        return phase in _APART or (phase == Leaf.TEARDOWN and self.num_left < 2)

    def begin(self, phase: Event) -> None:
        """A phase begins."""
        self.phases.append(phase.phase.partition("/")[0])
        if self.begun_ns is not None:
            self.num_phases += 1
            if self.num_phases == 1:
                self.phase_ns = phase.mono_ns

    def end(self, phase: Event) -> None:
        """A phase ends, and those that were begun inside it."""
        name = phase.phase.partition("/")[0]
        if name in self.phases:
            del self.phases[len(self.phases) - 1 - self.phases[::-1].index(name) :]
        if self.num_phases:
            self.num_phases -= 1
            if not self.num_phases:
                self.apart_ns += phase.mono_ns - self.phase_ns

    def has_done(self, num_steps: int) -> None:
        """So many steps are done, by its last records."""
        if num_steps > self.done:
            self.stepless_ns = self.num_left = 0
        if num_steps > self.done or num_steps < self.done - 1:
            self.done = num_steps


class Watch:
    """Follows the journals of an attempt's ranks.

    Attributes:
      steps: by rank, the last step it began; absent while it recorded none.
      finished: by rank, the last step whose whole turn of the loop it finished, or that was finished where it resumed.
      scalars: the latest metrics that a rank logged.
      saved_step: how many steps the newest checkpoint covers; None while none was recorded.
    """

    def __init__(self, run: RunFolder, *, attempt: int, num_ranks: int) -> None:
        self.steps: dict[int, int] = {}
        self.finished: dict[int, int] = {}
        self.scalars: Mapping[str, float] = {}
        self.saved_step: int | None = None
        self._ranks = [_Rank(JournalTail(run.rank_journal(attempt, rank))) for rank in range(num_ranks)]
        self._step_ns: deque[int] = deque(maxlen=_NUM_STEPS)
        self._turn_ns: deque[int] = deque(maxlen=_NUM_TURNS)

    def poll(self, now_ns: int) -> None:
        """Read what is new; `now_ns` is the monotonic time of asking."""
        for number, rank in enumerate(self._ranks):
            events = rank.tail.poll()
            for event in events:
                self._take(number, rank, event)
            if events:
                rank.heard_ns = now_ns
                rank.last_ns = events[-1].mono_ns
                rank.has_done(self.finished.get(number, -1) + 1)

    def looks(self, states: Mapping[int, tuple[str, int]], now_ns: int) -> list[Look]:
        """At each rank that lives and has recorded something; one that keeps no journal is never taken to hang.

        Args:
          states: by rank, see `process_state`.
        """
        from drivetrain.launch.hang import Look

        looks = []
        for number, (state, ticks) in sorted(states.items()):
            rank = self._ranks[number]
            if rank.heard_ns is None:
                continue
            if now_ns > rank.looked_ns and ticks != rank.used_ticks:
                elapsed_s = (now_ns - rank.looked_ns) / NS_PER_S
                if (ticks - rank.used_ticks) / os.sysconf("SC_CLK_TCK") >= _BUSY_SHARE * elapsed_s:
                    rank.used_at_ns = now_ns
            if number in self.finished and rank.looked_ns and not rank.is_apart:
                rank.stepless_ns += now_ns - rank.looked_ns
            rank.used_ticks, rank.looked_ns = ticks, now_ns
            in_step = rank.begun_ns is not None and not rank.num_phases
            step = self.steps.get(number, -1)
            idle_ns = now_ns - rank.used_at_ns
            silent_ns = now_ns - rank.heard_ns
            looks.append(Look(number, step, in_step, silent_ns, idle_ns, state in ("T", "t"), rank.stepless_ns))
        return looks

    @property
    def p99_step_ns(self) -> int | None:
        """99th percentile of the latest steps of all ranks; None while there are too few to tell."""
        if len(self._step_ns) < _NUM_STEPS_LEAST:
            return None
        return sorted(self._step_ns)[int(0.99 * (len(self._step_ns) - 1))]

    @property
    def turn_ns(self) -> int | None:
        """How long the loop has taken lately from one step's beginning to the next; None while too few are known."""
        return self._turn(2)

    @property
    def quick_turn_ns(self) -> int | None:
        """Likewise, of the quicker ones: a quarter took no longer."""
        return self._turn(4)

    def _turn(self, part: int) -> int | None:
        turns = sorted(self._turn_ns)
        is_known = len(turns) >= _NUM_TURNS_LEAST or sum(turns) >= NS_PER_S
        return turns[len(turns) // part] if is_known else None

    @property
    def furthest_step(self) -> int | None:
        """The last step that any rank began."""
        return max(self.steps.values(), default=None)

    @property
    def done_step(self) -> int | None:
        """The last step that any rank has done, or that was done where it went on; None where none is."""
        return max((step for step in self.finished.values() if step >= 0), default=None)

    def _take(self, number: int, rank: _Rank, event: Event) -> None:
        if event.kind == "step_begin":
            self.steps[number] = event.step
            self.finished.setdefault(number, event.step - 1)
            if rank.turned_ns is not None:
                self._turn_ns.append(event.mono_ns - rank.turned_ns)
            rank.begun_ns = rank.turned_ns = event.mono_ns
            rank.num_phases = rank.apart_ns = 0
        elif event.kind == "step_end":
            self.finished[number] = event.step
            if rank.begun_ns is not None:
                self._step_ns.append((event.mono_ns - rank.begun_ns - rank.apart_ns) // event.count)
            rank.begun_ns = None
        elif event.kind == "resume":
            self.finished[number] = event.step - 1
            rank.num_left += 1
        elif event.kind == "log" and event.values is not None:
            self.scalars = event.values
        elif event.kind == "commit":
            self.saved_step = event.step
        elif event.kind == "begin":
            rank.begin(event)
        elif event.kind == "end":
            rank.end(event)


def process_state(pid: int) -> tuple[str, int]:
    """State letter and processor time in ticks, of a process and its threads; nothing for one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return "X", 0
    return fields[0], int(fields[11]) + int(fields[12])
