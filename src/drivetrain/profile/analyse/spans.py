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


def phase_pieces(trace: Trace, nesting: Nesting, found: HostSteps) -> Pieces:
    """The leading thread's time, owned by a `Phase`, NONE where there is no sign of any."""
    mark = _marks(trace)
    leading = nesting.rows[trace.thread[nesting.rows] == found.thread]
    marked = leading[mark[leading] != NONE]
    by_engine = _outermost(nesting, is_autograd(trace))
    own = _own_operators(trace, nesting, leading)
    others = marked[mark[marked] != Phase.FORWARD]
    layers = [
        _hulls(trace, _recorded(trace, nesting, own, mark), [by_engine, others], Phase.FORWARD),
        _whole(trace, _outermost(nesting, is_module(trace), leading), Phase.FORWARD),
        _hulls(trace, by_engine, [own, others], Phase.BACKWARD),
        (trace.ts_ns[marked], trace.end_ns[marked], mark[marked]),
    ]
    begin_ns, end_ns, phase = (np.concatenate(each) for each in zip(*layers, strict=True))
    return painted(begin_ns, end_ns, phase)


_Layer = tuple[Ints, Ints, Indices]


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


def _own_operators(trace: Trace, nesting: Nesting, leading: Rows) -> Rows:
    """The leading thread's outermost operators that autograd's engine did not run; names of spans are no operators."""
    return _outermost(nesting, is_operator(trace), leading, but=is_autograd(trace))


def is_operator(trace: Trace) -> Flags:
    """Which events are operators and no spans, which torch before 1.12 wrote as operators too; shape (N,)."""
    return is_kind(trace, Kind.CPU_OP) & ~is_named(trace, "|".join([STEP.pattern, *_MARKS.values()]))


def _recorded(trace: Trace, nesting: Nesting, own: Rows, mark: Indices) -> Rows:
    """Of these operators those that autograd recorded and that no mark of another phase is around."""
    around = nesting.enclosing(mark != NONE)[own]
    unmarked = (around == NONE) | (mark[around] == Phase.FORWARD)
    recorded = trace.sequence[own] != NONE
    kept: Rows = own[unmarked & recorded] if recorded.any() else own[unmarked]
    return kept


def _hulls(trace: Trace, rows: Rows, breakers: Iterable[Rows], phase: Phase) -> _Layer:
    """From the first to the last of each run of these events that no breaker begins within."""
    every = np.concatenate([rows, *breakers])
    good = np.arange(len(every)) < len(rows)
    order = np.argsort(trace.ts_ns[every], kind="stable")
    every, good = every[order], good[order]
    run = np.cumsum(~good)[good]  # events with the same number of breakers before them are one run
    rows = every[good]
    if not len(rows):
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32)
    first = np.flatnonzero(np.diff(run, prepend=NONE))
    begin_ns = trace.ts_ns[rows[first]]
    end_ns = np.maximum.reduceat(trace.end_ns[rows], first)
    return begin_ns, end_ns, np.full(len(first), int(phase), np.int32)


def _whole(trace: Trace, rows: Rows, phase: Phase) -> _Layer:
    return trace.ts_ns[rows], trace.end_ns[rows], np.full(len(rows), int(phase), np.int32)
