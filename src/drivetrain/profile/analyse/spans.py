"""What the host does in each step: loads data, goes forward, goes backward, updates the weights."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from drivetrain.profile.analyse.host_steps import HostSteps, host_steps
from drivetrain.profile.analyse.links import Rows
from drivetrain.profile.analyse.names import is_autograd, is_kind, is_module, is_named
from drivetrain.profile.analyse.nesting import Nesting, nest
from drivetrain.profile.analyse.pieces import Pieces, overlay, painted
from drivetrain.profile.analyse.words import STEP, Flags
from drivetrain.profile.trace import NONE, Indices, Ints, Kind, Trace


class Phase(enum.IntEnum):
    """What a stretch of the leading thread's time is for."""

    LOADER = 0  # it waits for the next batch
    FORWARD = 1
    BACKWARD = 2
    OPTIMIZER = 3  # zeroing gradients included
    OTHER = 4  # what is left


_MARKS = {
    Phase.OTHER: r"^drivetrain \w",  # of our own phases those that no later line takes
    Phase.LOADER: (
        r"^enumerate\(DataLoader\)#|^drivetrain data_wait\b|^## ?(data_?wait|load_batch|wait_for_batch|next_batch)\b"
        r"|\btrain_dataloader_next$|torch/utils/data/dataloader\.py\(\d+\): __next__$"
    ),
    Phase.OPTIMIZER: (
        r"^Optimizer\.(step|zero_grad)#|^drivetrain optimizer\b|^## ?(optimizer|zero_grad)\b"
        r"|\.optimizer_(step|zero_grad)$"
    ),
    Phase.BACKWARD: (
        r"^drivetrain backward\b|^## ?backward\b|^backward$|^\[pl\].*\.backward$|\brun_backward of torch\b"
        r"|^torch/_tensor\.py\(\d+\): backward$"
    ),
    Phase.FORWARD: (
        r"^(DistributedDataParallel|FullyShardedDataParallel|DataParallel)\.forward$|^drivetrain forward\b"
        r"|^## ?forward\b|^forward$|^\[pl\].*\.(training|validation)_step$"
    ),
}
"""Names that say what a span is for: torch's own, ours, those of common trainers, `## name ##` by custom."""


@dataclass(frozen=True, slots=True)
class StepSpans:
    """One step of the host, `number` as in `Steps`; the five parts sum to `dur_ns` exactly."""

    number: int
    dur_ns: int
    loader_ns: int
    forward_ns: int
    backward_ns: int
    optimizer_ns: int
    other_ns: int

    def part_ns(self, phase: Phase) -> int:
        """Of the five, one by name."""
        return int(getattr(self, f"{phase.name.lower()}_ns"))


def host_spans(trace: Trace, nesting: Nesting | None = None) -> tuple[StepSpans, ...]:
    """Where the leading thread's time goes in each step.

    At each instant the innermost mark around it counts (`_MARKS`). Where nothing is marked: backward is from the first
    to the last of autograd's operators, on any thread, as long as the leading thread begins no operator of its own;
    forward is from the first to the last operator that autograd recorded (it has a sequence number), of those without
    another phase between them, or in a trace without such numbers, of all operators. The rest is `other`: copies of
    the batch, metrics, checkpoints, and Python between the phases.
    """
    nesting = nesting or nest(trace)
    found = host_steps(trace)
    shares = overlay(found.pieces(), [phase_pieces(trace, nesting, found)])
    step, phase = shares.owners
    num = len(Phase)
    total = np.zeros(len(found) * num, np.int64)
    np.add.at(total, step.astype(np.int64) * num + phase_of(phase), shares.dur_ns)
    return tuple(
        StepSpans(int(number), int(dur_ns), *(int(part) for part in parts))
        for number, dur_ns, parts in zip(found.number, found.dur_ns, total.reshape(-1, num), strict=True)
    )


def phase_of(owner: Indices) -> Indices:
    """Nobody's time is of `Phase.OTHER`."""
    return np.where(owner == NONE, int(Phase.OTHER), owner).astype(np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class _Signs:
    """What tells phases apart: rows of events, but for `mark`.

    Attributes:
      mark: the phase that each event's name says, NONE for most; shape (N,).
      marked: the leading thread's, if they say a phase.
      others: of those the ones that say another phase than forward.
      engine: outermost operators of backward, of any thread.
      own: the leading thread's outermost operators that are none of these.
    """

    mark: Indices
    marked: Rows
    others: Rows
    engine: Rows
    own: Rows


def _signs(trace: Trace, nesting: Nesting, found: HostSteps) -> _Signs:
    mark = _marks(trace)
    leading = nesting.of_thread(trace, found.thread)
    marked = leading[mark[leading] != NONE]
    engine = _outermost(nesting, is_autograd(trace))
    own = _outermost(nesting, is_operator(trace), leading, but=is_autograd(trace))
    return _Signs(mark, marked, marked[mark[marked] != Phase.FORWARD], engine, own)


def phase_pieces(trace: Trace, nesting: Nesting, found: HostSteps) -> Pieces:
    """The leading thread's time, owned by a `Phase`, NONE where there is no sign of any."""
    signs = _signs(trace, nesting, found)
    leading = nesting.of_thread(trace, found.thread)
    recorded = _runs(trace, _recorded(trace, nesting, signs), [signs.engine, signs.others])
    modules = _outermost(nesting, is_module(trace), leading)
    backward = _runs(trace, signs.engine, [signs.own, signs.others])
    layers = [
        (recorded.begin_ns, recorded.end_ns, Phase.FORWARD),
        (trace.ts_ns[modules], trace.end_ns[modules], Phase.FORWARD),
        (backward.begin_ns, backward.end_ns, Phase.BACKWARD),
    ]
    begins, ends, owners = ([*each] for each in zip(*layers, strict=True))
    owner = np.repeat([int(phase) for phase in owners], [len(begin_ns) for begin_ns in begins])
    return painted(
        np.concatenate([*begins, trace.ts_ns[signs.marked]]),
        np.concatenate([*ends, trace.end_ns[signs.marked]]),
        np.concatenate([owner, signs.mark[signs.marked]]).astype(np.int32),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Stretches from the first to the last of some events; shape (R,) each; `thread` is the first one's."""

    begin_ns: Ints
    end_ns: Ints
    thread: Indices


def backward_runs(trace: Trace, nesting: Nesting, found: HostSteps) -> Runs:
    """When autograd's engine worked without the leading thread beginning an operator of its own."""
    signs = _signs(trace, nesting, found)
    return _runs(trace, signs.engine, [signs.own, signs.others])


def _marks(trace: Trace) -> Indices:
    """The phase that each event's name says, NONE for most; shape (N,)."""
    by_name = np.full(len(trace.names), NONE, np.int32)
    for phase, pattern in _MARKS.items():
        search = re.compile(pattern).search
        by_name[[number for number, name in enumerate(trace.names) if search(name)]] = phase
    host = is_kind(trace, Kind.ANNOTATION, Kind.CPU_OP, Kind.PYTHON)
    marks: Indices = np.where(host, by_name[trace.name], NONE) if len(trace) else np.empty(0, np.int32)
    return marks


def _outermost(nesting: Nesting, wanted: Flags, among: Rows | None = None, but: Flags | None = None) -> Rows:
    """Rows that are wanted and have none that is wanted around them, in order of thread and begin.

    Args:
      among: of these rows; of all.
      but: leave these out of what is found.
    """
    rows = nesting.rows if among is None else among
    found = wanted if but is None else wanted & ~but
    outer: Rows = rows[found[rows] & (nesting.enclosing(wanted)[rows] == NONE)]
    return outer


def is_operator(trace: Trace) -> Flags:
    """Which events are operators and no spans, which torch before 1.12 wrote as operators too; shape (N,)."""
    return is_kind(trace, Kind.CPU_OP) & ~is_named(trace, "|".join([STEP.pattern, *_MARKS.values()]))


def _recorded(trace: Trace, nesting: Nesting, signs: _Signs) -> Rows:
    """The leading thread's operators that autograd recorded and that no mark of another phase is around."""
    around = nesting.enclosing(signs.mark != NONE)[signs.own]
    unmarked = (around == NONE) | (signs.mark[around] == Phase.FORWARD)
    recorded = _hold_numbered(trace, nesting, signs.own)
    kept: Rows = signs.own[unmarked & recorded] if recorded.any() else signs.own[unmarked]
    return kept


def _hold_numbered(trace: Trace, nesting: Nesting, own: Rows) -> Flags:
    """Which of these operators have a sequence number, or have one inside; shape of own, which are disjoint."""
    numbered = np.flatnonzero(is_operator(trace) & (trace.sequence != NONE))
    outermost = np.zeros(len(trace), np.bool_)
    outermost[own] = True
    around = np.where(outermost[numbered], numbered, nesting.enclosing(outermost)[numbered])
    holds = np.zeros(len(trace), np.bool_)
    holds[around[around != NONE]] = True
    flags: Flags = holds[own]
    return flags


def _runs(trace: Trace, rows: Rows, breakers: Iterable[Rows]) -> Runs:
    """From the first to the last of each run of these events that no breaker begins within."""
    every = np.concatenate([rows, *breakers])
    good = np.arange(len(every)) < len(rows)
    order = np.argsort(trace.ts_ns[every], kind="stable")
    every, good = every[order], good[order]
    run = np.cumsum(~good)[good]  # events with the same number of breakers before them are one run
    rows = every[good]
    first = np.flatnonzero(np.diff(run, prepend=NONE))
    ends = trace.end_ns[rows]
    return Runs(
        trace.ts_ns[rows[first]],
        np.maximum.reduceat(ends, first) if len(first) else ends,
        trace.thread[rows[first]],
    )
