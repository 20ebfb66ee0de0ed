"""Why a step of one trace takes longer than a step of another: parts that sum to the difference exactly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from drivetrain.core.errors import DataError
from drivetrain.profile.analyse.host_steps import HostSteps, host_steps
from drivetrain.profile.analyse.names import is_autograd, is_wait
from drivetrain.profile.analyse.nesting import Nesting, launches, nest
from drivetrain.profile.analyse.pieces import Pieces, first_come, innermost, overlay
from drivetrain.profile.analyse.spans import Phase, is_operator, phase_of, phase_pieces
from drivetrain.profile.analyse.words import GAP
from drivetrain.profile.trace import NONE, Indices, Kind, Trace

IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Spent:
    """Where the time of some steps went; each of the two mappings sums to `total_ns`.

    Attributes:
      num_steps: how many.
      total_ns: of all of them.
      host_ns: by phase and name of what the host did: the innermost operator; the call where it waits for the device;
        `Python and gaps` where there is neither.
      device_ns: by name of the operator whose work the device did (the kernel's where that is unknown), or `idle`.
        Where kernels overlap, the one that began first counts.
    """

    num_steps: int
    total_ns: int
    host_ns: Mapping[tuple[Phase, str], int]
    device_ns: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a difference: means over steps, exact.

    Attributes:
      name: of a phase, of what the host did, or of the device's work.
      before_ns, after_ns: per step.
      parts: what it consists of, largest change first; they sum to it.
    """

    name: str
    before_ns: Fraction
    after_ns: Fraction
    parts: tuple[Part, ...] = ()

    @property
    def delta_ns(self) -> Fraction:
        """Positive: it takes longer now."""
        return self.after_ns - self.before_ns

    @property
    def delta_us(self) -> float:
        """The same as a float."""
        return float(self.delta_ns) / 1000


@dataclass(frozen=True, slots=True)
class Difference:
    """Two mean steps and what is between them.

    Attributes:
      step: the whole: mean step time before and after.
      host: by phase, each with what was done in it, largest change first; sums to the whole.
      device: by operator and `idle`, largest change first; sums to the whole; empty where neither has device work.
    """

    step: Part
    host: tuple[Part, ...]
    device: tuple[Part, ...]


def spent(trace: Trace, *, chosen: Sequence[int] | None = None, nesting: Nesting | None = None) -> Spent:
    """Share out the time of a trace's steps.

    Args:
      chosen: places of the steps, from 0; all of them.
    Raises: DataError: there are no such steps.
    """
    nesting = nesting or nest(trace)
    found = host_steps(trace)
    if chosen is not None:
        found = found.only([place for place in chosen if 0 <= place < len(found)])
    if not len(found):
        raise DataError(
            f"{trace.origin.name or 'the trace'} has no steps to compare",
            hint="call profiler.step() after each step, or compare traces that hold some event",
        )
    return Spent(len(found), int(found.dur_ns.sum()), _host(trace, nesting, found), _device(trace, nesting, found))


def difference(before: Spent, after: Spent) -> Difference:
    """Explain the difference in mean step time."""
    step = Part("step", Fraction(before.total_ns, before.num_steps), Fraction(after.total_ns, after.num_steps))
    phases = []
    for phase in Phase:
        inner = _parts(_of(before, phase), _of(after, phase), before, after)
        before_ns, after_ns = sum(part.before_ns for part in inner), sum(part.after_ns for part in inner)
        phases.append(Part(phase.name.lower(), Fraction(before_ns), Fraction(after_ns), inner))
    works = any(name != IDLE for side in (before, after) for name in side.device_ns)
    device = _parts(before.device_ns, after.device_ns, before, after) if works else ()
    return Difference(step, _largest_first(phases), device)


def _of(side: Spent, phase: Phase) -> dict[str, int]:
    return {name: dur_ns for (own, name), dur_ns in side.host_ns.items() if own == phase}


def _parts(before_ns: Mapping[str, int], after_ns: Mapping[str, int], before: Spent, after: Spent) -> tuple[Part, ...]:
    return _largest_first(
        Part(name, Fraction(before_ns.get(name, 0), before.num_steps), Fraction(after_ns.get(name, 0), after.num_steps))
        for name in {**before_ns, **after_ns}
    )


def _largest_first(parts: Iterable[Part]) -> tuple[Part, ...]:
    return tuple(sorted(parts, key=lambda part: (-abs(part.delta_ns), part.name)))


def _host(trace: Trace, nesting: Nesting, found: HostSteps) -> dict[tuple[Phase, str], int]:
    """Time by phase and by what the leading thread, or in backward the engine's thread, does innermost."""
    does = _what_the_host_does(trace, nesting)
    leading = innermost(trace, nesting, nesting.of_thread(trace, found.thread))
    engine = _engine(trace, nesting, found.thread)
    shares = overlay(found.pieces(), [phase_pieces(trace, nesting, found), leading, engine])
    _, phase, own, other = shares.owners
    phase = phase_of(phase)
    named = np.append(does, NONE)  # NONE, as an index, is the last place
    what = np.where((named[own] == NONE) & (phase == Phase.BACKWARD), named[other], named[own])
    num = len(trace.names) + 1
    sums = np.zeros(len(Phase) * num, np.int64)
    np.add.at(sums, phase.astype(np.int64) * num + what + 1, shares.dur_ns)
    return {
        (Phase(key // num), trace.names[key % num - 1] if key % num else GAP): int(sums[key])
        for key in np.flatnonzero(sums).tolist()
    }


def _what_the_host_does(trace: Trace, nesting: Nesting) -> Indices:
    """The name to give to time that each event is the innermost of, NONE for Python and spans; shape (N,)."""
    operator = is_operator(trace)
    wait = is_wait(trace)
    around = nesting.enclosing(operator)
    of_operator = np.where(around == NONE, trace.name, trace.name[around])
    call = np.where(wait, trace.name, of_operator)
    plain = np.where(operator, trace.name, np.where(around == NONE, NONE, trace.name[around]))
    return np.where(trace.kind == Kind.RUNTIME, call, plain).astype(np.int32)


def _engine(trace: Trace, nesting: Nesting, leading: int) -> Pieces:
    """What the other thread that runs most of autograd does innermost."""
    rows = nesting.rows[(trace.thread[nesting.rows] != leading)]
    by_engine = rows[is_autograd(trace)[rows]]
    busy_ns = np.bincount(trace.thread[by_engine], weights=nesting.self_ns[by_engine], minlength=1)
    thread = int(np.argmax(busy_ns)) if len(by_engine) else NONE
    return innermost(trace, nesting, nesting.of_thread(trace, thread))


def _device(trace: Trace, nesting: Nesting, found: HostSteps) -> dict[str, int]:
    """Time by what the device does first, and idle."""
    launched = launches(trace, nesting)
    events = launched.events
    places = np.arange(len(events), dtype=np.int32)
    shares = overlay(found.pieces(), [first_come(trace.ts_ns[events], trace.end_ns[events], places)])
    busy_ns = np.zeros(len(events) + 1, np.int64)
    np.add.at(busy_ns, shares.owners[1], shares.dur_ns)  # NONE, as an index, is the last place
    name = trace.name[np.where(launched.operator == NONE, events, launched.operator)]
    total_ns = np.zeros(len(trace.names), np.int64)
    np.add.at(total_ns, name, busy_ns[:-1])
    busy = {trace.names[number]: int(total_ns[number]) for number in np.flatnonzero(total_ns).tolist()}
    return busy | ({IDLE: int(busy_ns[-1])} if busy_ns[-1] else {})
