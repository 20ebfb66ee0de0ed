"""Lanes round a place: pieces of their middles as context, and which lane a place is in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from drivetrain.data.arrays import Floats
from drivetrain.data.log import Lane, Log, Stream

NUM_PIECES, NUM_POINTS = 8, 10
"""How many pieces of lanes a sample has at most, and points in each."""

_SPACING_M = 2.0
_MOST_TURNED_RAD = np.radians(60.0)  # a lane that runs otherwise is not the one driven on


@dataclass(frozen=True, eq=False)
class LaneMap:
    """The lanes of a log; may be empty.

    Attributes:
      lanes: by name.
      pieces_MP2: their middles in pieces of `NUM_POINTS` points, 2 m apart, in travel direction; world metres.
    """

    lanes: dict[str, Lane]
    pieces_MP2: Floats

    @classmethod
    def of(cls, log: Log, boxes: str) -> LaneMap:
        """Those of a log for a stream of boxes: `lanes/X` for `boxes/X`, all where there is no such stream.

        Raises: SampleError: a map cannot be read.
        """
        streams = [cast(Stream[tuple[Lane, ...]], stream) for stream in log.of_kind("lanes")]
        beside = f"lanes/{boxes.partition('/')[2]}"
        streams = [stream for stream in streams if stream.name == beside] or streams
        lanes = {lane.name: lane for stream in streams for i in range(len(stream)) for lane in stream.read(i)}
        pieces = [piece for lane in lanes.values() for piece in _pieces(lane.centre_N2)]
        return cls(lanes, np.array(pieces).reshape(-1, NUM_POINTS, 2))

    def near(self, place_2: Floats) -> Floats:
        """The pieces nearest to a place, nearest first (at most `NUM_PIECES`, P, 2; world metres)."""
        distance_M = np.linalg.norm(self.pieces_MP2 - place_2, axis=2).min(axis=1, initial=np.inf)
        nearest: Floats = self.pieces_MP2[np.argsort(distance_M, kind="stable")[:NUM_PIECES]]
        return nearest

    def at(self, place_2: Floats, heading_rad: float) -> str:
        """The name of the lane that a place is in and that runs as one heads; empty where there is none."""
        best, name = _MOST_TURNED_RAD, ""
        for lane in self.lanes.values():
            border_N2 = np.concatenate([lane.left_N2, lane.right_N2[::-1]])
            if _is_inside(place_2, border_N2):
                turned = abs(_turned_rad(lane, place_2, heading_rad))
                if turned < best:
                    best, name = turned, lane.name
        return name

    def side_of_change(self, start: str, end: str) -> str:
        """`left` or `right` where one lane is not ahead of the other but of its neighbour; else an empty string."""
        if not start or not end or end in self._ahead(start):
            return ""
        for side in ("left", "right"):
            neighbours = [getattr(self.lanes[name], side) for name in self._ahead(start) if name in self.lanes]
            if any(neighbour and end in self._ahead(neighbour) for neighbour in neighbours):
                return side
        return ""

    def _ahead(self, name: str) -> set[str]:
        """A lane and those that follow on from it, for as many as one may pass in a few seconds."""
        found, edge = {name}, {name}
        for _ in range(4):
            edge = {after for lane in edge if lane in self.lanes for after in self.lanes[lane].successors} - found
            found |= edge
        return found


def _pieces(centre_N2: Floats) -> Sequence[Floats]:
    """A line cut in pieces of `NUM_POINTS` points; the last point of one is the first of the next."""
    steps = np.linalg.norm(np.diff(centre_N2, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    if not np.isfinite(along[-1]) or along[-1] < 1e-3:
        return []
    span_m = _SPACING_M * (NUM_POINTS - 1)
    num_pieces = max(1, round(along[-1] / span_m))
    at = np.linspace(0, along[-1], num_pieces * (NUM_POINTS - 1) + 1)
    line = np.stack([np.interp(at, along, centre_N2[:, axis]) for axis in (0, 1)], axis=1)
    return [line[i : i + NUM_POINTS] for i in range(0, num_pieces * (NUM_POINTS - 1), NUM_POINTS - 1)]


def _turned_rad(lane: Lane, place_2: Floats, heading_rad: float) -> float:
    centre_N2 = lane.centre_N2
    nearest = int(np.linalg.norm(centre_N2 - place_2, axis=1)[:-1].argmin()) if len(centre_N2) > 1 else 0
    along = centre_N2[min(nearest + 1, len(centre_N2) - 1)] - centre_N2[nearest]
    return float((np.arctan2(along[1], along[0]) - heading_rad + np.pi) % (2 * np.pi) - np.pi)


def _is_inside(place_2: Floats, border_N2: Floats) -> bool:
    """Whether a ray to the right crosses the border an odd number of times."""
    (x0, y0), (x1, y1) = border_N2.T, np.roll(border_N2, -1, axis=0).T
    x, y = place_2
    spans = (y0 > y) != (y1 > y)
    rise = np.where(spans, y1 - y0, 1.0)
    return bool((spans & (x < (x1 - x0) * (y - y0) / rise + x0)).sum() % 2)
