"""The lanes of an Argoverse 2 map: borders with as many points on the left as on the right."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from drivetrain.core.errors import DataError
from drivetrain.data.arrays import Floats
from drivetrain.data.log import Lane
from drivetrain.data.sources.files import read_json


class _Point(msgspec.Struct):
    x: float
    y: float


class _Segment(msgspec.Struct):
    id: int
    left_lane_boundary: list[_Point]
    right_lane_boundary: list[_Point]
    successors: list[int] = []
    left_neighbor_id: int | None = None
    right_neighbor_id: int | None = None


class _Map(msgspec.Struct):
    lane_segments: dict[str, _Segment]


def read_lanes(file: Path) -> tuple[Lane, ...]:
    """The lanes of a map; of the two borders the one with fewer points gets more, evenly along it.

    A neighbour counts only where it goes the same way. Raises DataError: no map, or a border is no line.
    """
    segments = read_json(file, _Map, publisher="Argoverse 2").lane_segments.values()
    borders = {}
    for segment in segments:
        left_N2, right_N2 = (_line(b) for b in (segment.left_lane_boundary, segment.right_lane_boundary))
        num_points = max(len(left_N2), len(right_N2))
        if min(len(left_N2), len(right_N2)) < 2:
            raise DataError(f"{file}: lane {segment.id} has a border of fewer than two points")
        borders[segment.id] = _with_points(left_N2, num_points), _with_points(right_N2, num_points)
    ways = {
        name: left_N2[-1] - left_N2[0] + right_N2[-1] - right_N2[0] for name, (left_N2, right_N2) in borders.items()
    }

    def beside(name: int, neighbour: int | None) -> str:
        goes_along = neighbour is not None and neighbour in ways and float(ways[name] @ ways[neighbour]) > 0
        return str(neighbour) if goes_along else ""

    return tuple(
        Lane(
            name=str(segment.id),
            left_N2=borders[segment.id][0],
            right_N2=borders[segment.id][1],
            successors=tuple(map(str, segment.successors)),
            left=beside(segment.id, segment.left_neighbor_id),
            right=beside(segment.id, segment.right_neighbor_id),
        )
        for segment in segments
    )


def _line(points: list[_Point]) -> Floats:
    return np.array([(point.x, point.y) for point in points], np.float64).reshape(-1, 2)


def _with_points(line_N2: Floats, num_points: int) -> Floats:
    """The line as it is, or with so many points, even along it."""
    if len(line_N2) == num_points:
        return line_N2
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line_N2, axis=0), axis=1))])
    wanted = np.linspace(0.0, along[-1], num_points)
    return np.stack([np.interp(wanted, along, line_N2[:, axis]) for axis in (0, 1)], axis=1)
