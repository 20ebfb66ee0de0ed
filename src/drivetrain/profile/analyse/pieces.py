"""Time cut into pieces, each with one owner: how a stretch of time is shared out so that the shares sum to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drivetrain.profile.analyse.links import Rows
from drivetrain.profile.analyse.nesting import Nesting
from drivetrain.profile.trace import NONE, Indices, Ints, Trace


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Who owns each piece of time.

    Attributes:
      edges_ns: ascending, each once; shape (K + 1,), or (0,) where nobody owns anything.
      owner: of the time from an edge to the next, NONE for nobody; shape (K,).
    """

    edges_ns: Ints
    owner: Indices

    def at(self, times_ns: Ints) -> Indices:
        """The owner at each of these times, NONE before and after all pieces; shape of `times_ns`."""
        owners = np.concatenate([[NONE], self.owner, [NONE]]).astype(np.int32)
        return (
            owners[np.searchsorted(self.edges_ns, times_ns, side="right")] if len(self.edges_ns) else _nobody(times_ns)
        )


def _nobody(times_ns: Ints) -> Indices:
    return np.full(len(times_ns), NONE, np.int32)


def innermost(trace: Trace, nesting: Nesting, rows: Rows) -> Pieces:
    """The time of one thread, owned by the innermost event that is open.

    Args:
      rows: the thread's part of `nesting.rows`.
    """
    rows = rows[nesting.held_ns[rows] > 0]
    begin_ns = trace.ts_ns[rows]
    end_ns = begin_ns + nesting.held_ns[rows]
    # Where ends meet, the outermost one's parent goes on: inner ones come later in rows, so the order is turned.
    times = np.concatenate([end_ns[::-1], begin_ns])
    owners = np.concatenate([nesting.parent[rows[::-1]], rows])
    return _last_of_each(times, owners)


def painted(begin_ns: Ints, end_ns: Ints, owner: Indices) -> Pieces:
    """Time as if each stretch were painted over those before it; for the few stretches that a program names.

    Args:
      begin_ns, end_ns, owner: shape (K,); painted in this order.
    """
    edges = np.unique(np.concatenate([begin_ns, end_ns]))
    pieces = np.full(max(len(edges) - 1, 0), NONE, np.int32)
    for first, last, own in zip(
        np.searchsorted(edges, begin_ns).tolist(),
        np.searchsorted(edges, end_ns).tolist(),
        owner.tolist(),
        strict=True,
    ):
        pieces[first:last] = own
    return Pieces(edges, pieces)


def first_come(begin_ns: Ints, end_ns: Ints, owner: Indices) -> Pieces:
    """Time as owned by the earliest begun of those that are open.

    Args:
      begin_ns: ascending.
      end_ns, owner: shape (K,).
    """
    if not len(begin_ns):
        return Pieces(np.empty(0, np.int64), np.empty(0, np.int32))
    reached = np.maximum.accumulate(end_ns)
    begins = np.maximum(begin_ns[1:], reached[:-1])
    begins = np.concatenate([begin_ns[:1], begins])
    own = reached > begins
    times = np.concatenate([reached[own], begins[own]])
    return _last_of_each(times, np.concatenate([_nobody(reached[own]), owner[own]]))


def _last_of_each(times: Ints, owners: Indices) -> Pieces:
    """Pieces from the times at which owners change; of one time the last change counts."""
    order = np.argsort(times, kind="stable")
    times, owners = times[order], owners[order]
    last = np.append(times[1:] != times[:-1], True) if len(times) else np.empty(0, np.bool_)
    return Pieces(times[last], owners[last][:-1].astype(np.int32))


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """Time shared out by several owners at once.

    Attributes:
      dur_ns: of each piece; shape (K,).
      owners: one column for each `Pieces` that was laid over the others, shape (K,) each.
    """

    dur_ns: Ints
    owners: tuple[Indices, ...]


def overlay(window: Pieces, others: Sequence[Pieces]) -> Shares:
    """Lay pieces over each other; time that `window` gives to nobody is left out.

    Returns: the first owners are the window's, then those of the others in order.
    """
    edges = np.concatenate([window.edges_ns, *(each.edges_ns for each in others)])
    edges.sort(kind="stable")  # they come sorted by parts; `np.unique` hashes, which takes five times as long
    edges = edges[np.append(True, edges[1:] != edges[:-1])[: len(edges)]]
    own = window.at(edges[:-1])
    inside = own != NONE
    begins = edges[:-1][inside]
    return Shares(np.diff(edges)[inside], (own[inside], *(each.at(begins) for each in others)))
