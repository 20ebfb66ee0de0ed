"""Which rank is slow, and in what: with a test against chance, since of any ranks one is the slowest.

Within a step ranks do the same, so that without a straggler each is as likely as any other to be the first, second or
last in any of the parts of a step. A rank's places over the steps are summed; the chance of a sum as high or higher is
exact (the sum of draws from 1..R), or for many steps the normal distribution's, and is multiplied by the number of
ranks and parts that were looked at (Bonferroni). So few steps or few ranks can call nobody slow, and one step never
can. Steps are taken as independent: a disturbance that lasts for the whole trace is a straggler to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import erfc, sqrt
from typing import Literal

import numpy as np
import numpy.typing as npt

from drivetrain.profile.analyse.breakdown import breakdown_by_step
from drivetrain.profile.analyse.idle import IdleCause, device_gaps
from drivetrain.profile.analyse.intervals import covered, union
from drivetrain.profile.analyse.skew import Skew
from drivetrain.profile.trace import Ints, Trace

Part = Literal["compute", "host", "communication"]
PARTS: tuple[Part, ...] = ("compute", "host", "communication")

FALSE_ALARMS = 0.05
"""The chance to call anybody slow where nobody is."""

_LEAST_SHARE = 0.02
"""What adds less than this to a step is not worth a name, however sure."""

_EXACT_STEPS = 40


@dataclass(frozen=True, slots=True, eq=False)
class RankSteps:
    """What one rank did in each of its steps; shape (S,). Small and free of the trace it is from.

    Attributes:
      label: of the rank, as the caller names it.
      number: of the step.
      step_ns: its length.
      compute_ns: kernels that are no communication; on CPUs, operators.
      host_ns: the device waited for the host; on CPUs, neither operators nor collectives ran.
      communication_ns: collectives, with waiting for other ranks.
    """

    label: str
    number: Ints
    step_ns: Ints
    compute_ns: Ints
    host_ns: Ints
    communication_ns: Ints


@dataclass(frozen=True, slots=True)
class Straggler:
    """A rank that is slower than the others.

    Attributes:
      label: of the rank.
      part: in what.
      excess_ns: how much longer than the median of the other ranks, at the median of the steps.
      share: of the median step.
      chance: that some rank looks as slow in some part without being slower.
    """

    label: str
    part: Part
    excess_ns: int
    share: float
    chance: float


def rank_steps(trace: Trace, label: str = "") -> RankSteps:
    """A rank's steps, to be compared with others': see `breakdown_by_step` and `device_gaps` for what the parts are."""
    found, parts = breakdown_by_step(trace)
    on_host = any(part.source == "host" for part in parts)
    gaps = device_gaps(trace)
    late = gaps.cause == IdleCause.HOST_WAIT
    starved = union(gaps.begin_ns[late], gaps.begin_ns[late] + gaps.dur_ns[late])
    idle_ns = _ns([part.idle_us for part in parts])
    return RankSteps(
        label=label,
        number=found.number,
        step_ns=_ns([part.total_us for part in parts]),
        compute_ns=_ns([part.compute_us for part in parts]),
        host_ns=idle_ns if on_host else covered(starved, found.begin_ns, found.end_ns),
        communication_ns=_ns([part.total_comm_us for part in parts]),
    )


def _ns(times_us: Sequence[float]) -> Ints:
    return np.rint(np.array(times_us, np.float64) * 1000).astype(np.int64)


def stragglers(ranks: Sequence[RankSteps], waiting: Skew | None = None) -> tuple[Straggler, ...]:
    """Ranks that are slower than the others in the steps that all have, the slowest first.

    Args:
      ranks: two or more.
      waiting: of the same ranks in the same order. A rank that is quick waits in collectives for those that are not,
        so communication is compared without waiting, and not at all where that is unknown.
    """
    common = _common(ranks)
    if len(ranks) < 2 or not len(common):
        return ()
    times = {part: _matrix(ranks, common, part) for part in PARTS if waiting is not None or part != "communication"}
    if waiting is not None:
        times["communication"] = np.maximum(times["communication"] - _waits(waiting, common), 0)
    step_ns = float(np.median(_matrix(ranks, common, "step")))
    found = [
        Straggler(ranks[rank].label, part, round(excess_ns), excess_ns / step_ns, chance)
        for part, matrix in times.items()
        for rank, excess_ns, chance in slower(matrix, num_tests=len(times) * len(ranks))
        if excess_ns >= _LEAST_SHARE * step_ns
    ]
    return tuple(sorted(found, key=lambda each: -each.excess_ns))


def slower(times: npt.NDArray[np.int64], *, num_tests: int | None = None) -> Iterator[tuple[int, float, float]]:
    """Columns that are larger than the others over the rows, beyond chance: (column, excess at the median, chance).

    Args:
      times: rows are repetitions, columns those who may differ; shape (S, R), any unit.
      num_tests: how many looks the chance is corrected for; by default, at each column once.
    """
    num_rows, num_columns = times.shape
    places = sum((_places(row) for row in times), np.zeros(num_columns))
    for column in range(num_columns):
        chance = min(1.0, _chance(places[column], num_rows, num_columns) * (num_tests or num_columns))
        if chance <= FALSE_ALARMS:
            others = np.median(np.delete(times, column, axis=1), axis=1)
            yield column, float(np.median(times[:, column] - others)), chance


def _places(values: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """1 for the smallest, and so on; those that are equal share theirs."""
    in_order = np.sort(values)
    return (np.searchsorted(in_order, values) + np.searchsorted(in_order, values, side="right") + 1) / 2


def _chance(places: float, num_rows: int, num_columns: int) -> float:
    """That places summed over rows are as high or higher, if each is drawn from 1 to the number of columns."""
    if num_rows > _EXACT_STEPS:
        mean, variance = num_rows * (num_columns + 1) / 2, num_rows * (num_columns**2 - 1) / 12
        return 0.5 * erfc((places - 0.5 - mean) / sqrt(2 * variance))
    sums = np.ones(1)
    for _ in range(num_rows):
        sums = np.convolve(sums, np.full(num_columns, 1 / num_columns))
    return float(sums[max(int(np.ceil(places)) - num_rows, 0) :].sum())


def _common(ranks: Sequence[RankSteps]) -> Ints:
    common = ranks[0].number if ranks else np.empty(0, np.int64)
    for rank in ranks[1:]:
        common = np.intersect1d(common, rank.number)
    return common


def _matrix(ranks: Sequence[RankSteps], common: Ints, part: str) -> npt.NDArray[np.int64]:
    """That part of each common step of each rank; shape (S, R)."""
    columns = []
    for rank in ranks:
        _, at, _ = np.intersect1d(rank.number, common, return_indices=True)
        columns.append(getattr(rank, f"{part}_ns")[at])
    return np.stack(columns, axis=1)


def _waits(waiting: Skew, common: Ints) -> npt.NDArray[np.int64]:
    """How long each rank waited in collectives of each of these steps; shape (S, R)."""
    found = np.zeros((len(common), len(waiting.labels)), np.int64)
    _, at, of = np.intersect1d(common, waiting.steps, return_indices=True)
    found[at] = waiting.step_wait_ns[of]
    return found
