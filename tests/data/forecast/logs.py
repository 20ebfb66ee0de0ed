"""Logs of boxes and lanes that tests make up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drivetrain.core.errors import SampleError
from drivetrain.data.log import Box, Lane, Log, Stream


def box(track: str, x: float, y: float, yaw: float = 0.0, velocity: tuple[float, float] | None = None) -> Box:
    return Box("car", (x, y, 0.0), (4.5, 2.0, 1.5), yaw, track, velocity)


def log_of(
    messages: Sequence[tuple[float, Sequence[Box] | None]], lanes: Sequence[Lane] = (), name: str = "made"
) -> Log:
    """A log of boxes at times in seconds; None is a message that cannot be read."""

    def read(number: int) -> tuple[Box, ...]:
        boxes = messages[number][1]
        if boxes is None:
            raise SampleError(f"message {number} is damaged")
        return tuple(boxes)

    t_ns = np.array([round(t_s * 1e9) for t_s, _ in messages], np.int64)
    streams: list[Stream[object]] = [
        Stream("boxes/x", "boxes", "world", t_ns, read, [str(t) for t in t_ns], len(t_ns)),
        Stream("lanes/x", "lanes", "world", t_ns[:1], lambda _: tuple(lanes), ["map"], 1),
    ]
    return Log(name, "test", lambda: name, {stream.name: stream for stream in streams}, {})


def steady(
    track: str, *, x: float = 0.0, y: float = 0.0, speed: float = 10.0, seconds: float = 5.0
) -> list[tuple[float, list[Box]]]:
    """One box along +x at 10 Hz."""
    times = np.arange(round(seconds * 10)) / 10
    return [(t, [box(track, x + speed * t, y, 0.0, (speed, 0.0))]) for t in times.tolist()]


def together(*rows: Sequence[tuple[float, Sequence[Box]]]) -> list[tuple[float, list[Box]]]:
    """Messages of equal times made one."""
    found: dict[float, list[Box]] = {}
    for t_s, boxes in (message for row in rows for message in row):
        found.setdefault(t_s, []).extend(boxes)
    return sorted(found.items())


def straight_lane(
    name: str, y: float, *, left: str = "", right: str = "", after: tuple[str, ...] = (), x: float = -50.0
) -> Lane:
    """A lane 3.6 m wide and 200 m long along +x."""
    along = np.linspace(x, x + 200, 21)
    borders = [np.stack([along, np.full(21, y + side)], axis=1) for side in (1.8, -1.8)]
    return Lane(name, borders[0], borders[1], after, left, right)
