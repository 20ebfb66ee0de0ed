"""Device time of operators: of what each launched itself, and of what was launched anywhere below it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.profile.analyse.clock import times_us
from drivetrain.profile.analyse.intervals import Times
from drivetrain.profile.analyse.links import Rows
from drivetrain.profile.analyse.nesting import Launches, Nesting
from drivetrain.profile.analyse.words import Flags
from drivetrain.profile.trace import NONE, Trace

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """Device time by event of the host, in microseconds as `times_us` counts them; shape (N,) each.

    Attributes:
      direct_us: while a device worked for what this operator launched with no operator between; or, of a call outside
        all operators, for what it launched.
      subtree_us: the same for everything launched below it.
      owner: whose own each device event is, NONE for nobody's; shape (E,), as `Launches.events`.
    """

    direct_us: Floats
    subtree_us: Floats
    owner: Rows


def work(trace: Trace, nesting: Nesting, launched: Launches, operator: Flags) -> Work:
    """Device time by operator; where kernels of one operator overlap, their time counts once.

    Args:
      operator: which events are operators; shape (N,).
    """
    above = nesting.enclosing(operator)
    around = np.append(above, NONE)[launched.call]  # NONE, as an index, is the last place
    named = np.where(launched.operator == NONE, launched.call, launched.operator)
    of_event = np.where(around == NONE, named, around)
    known = of_event != NONE
    begin_us, end_us = times_us(trace, launched.events[known])
    owner = of_event[known]
    direct_us = union_by_owner(owner, begin_us, end_us, len(trace))
    owners, places = [owner], [np.arange(len(owner))]
    while len(owners[-1]):
        up = above[owners[-1]]
        owners.append(up[up != NONE])
        places.append(places[-1][up != NONE])
    every, place = np.concatenate(owners), np.concatenate(places)
    subtree_us = union_by_owner(every, begin_us[place], end_us[place], len(trace))
    return Work(direct_us, subtree_us, of_event)


def union_by_owner(owner: Rows, begin: Times, end: Times, num: int) -> Floats:
    """For each owner how long any of its intervals lasted; shape (num,).

    Args:
      owner: below num; shape (K,).
      begin, end: shape (K,).
    """
    total = np.zeros(num, np.float64)
    if not len(owner):
        return total
    order = np.lexsort((begin, owner))
    owner, begin, end = owner[order], begin[order], end[order]
    by_end = np.argsort(end, kind="stable")
    rank = np.empty(len(end), np.int64)
    rank[by_end] = np.arange(len(end))
    base = owner.astype(np.int64) * len(end)
    reached = end[by_end][np.maximum.accumulate(base + rank) - base]
    first = np.append(True, (owner[1:] != owner[:-1]) | (begin[1:] > reached[:-1]))
    last = np.append(first[1:], True)
    np.add.at(total, owner[first], reached[last] - begin[first])
    return total
