"""Results of many sessions -> one series for each metric, case and machine, and where its level changed; pure."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from drivetrain.bench.detect import Change, changes
from drivetrain.bench.results import Result

MACHINE = "cpu"
"""What tells machines apart in a result's environment: figures of two of them are two series."""


@dataclass(frozen=True, slots=True)
class Point:
    """One result of a series.

    Attributes:
      at_ns: when its session began.
      commit: of the code.
      value: median of its samples.
      low: the least of them.
      high: the most.
    """

    at_ns: int
    commit: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A metric of a case on one machine, by time.

    Attributes:
      suite: the suite.
      case: name of the case with its parameters.
      metric: its name.
      unit: of the values.
      better: which way is better.
      machine: that made it.
      points: by time.
      changes: where the level changed; their indices are of points.
    """

    suite: str
    case: str
    metric: str
    unit: str
    better: Literal["lower", "higher"]
    machine: str
    points: tuple[Point, ...]
    changes: tuple[Change, ...]

    def commits_around(self, change: Change) -> tuple[str, str]:
        """The last commit of the old level and the first of the new one."""
        return self.points[change.index - 1].commit, self.points[change.index].commit

    def is_better(self, change: Change) -> bool:
        """Whether a change was for the better."""
        return (change.after < change.before) == (self.better == "lower")


def trends_of(results: Sequence[Result]) -> tuple[Trend, ...]:
    """A series for each metric of each case on each machine, of side B, in the order in which they first appear.

    Side A is an earlier commit measured again, and says nothing of the day on which it was; what a metric is in, and
    which way is better, is as its newest result has it.
    """
    found: dict[tuple[str, str, str], list[Result]] = defaultdict(list)
    for result in sorted(results, key=lambda one: one.at_ns):
        if result.side == "B":
            for metric in result.metrics:
                found[result.name, metric, result.environment.get(MACHINE, "")].append(result)
    return tuple(_trend(case, metric, machine, of_it) for (case, metric, machine), of_it in found.items())


def _trend(case: str, metric: str, machine: str, results: Sequence[Result]) -> Trend:
    newest = results[-1].metrics[metric]
    points = tuple(_point(result, metric) for result in results)
    return Trend(
        suite=results[-1].suite,
        case=case,
        metric=metric,
        unit=newest.unit,
        better=newest.better,
        machine=machine,
        points=points,
        changes=changes([point.value for point in points]),
    )


def _point(result: Result, metric: str) -> Point:
    samples = result.metrics[metric].samples
    return Point(result.at_ns, result.commit, statistics.median(samples), min(samples), max(samples))
