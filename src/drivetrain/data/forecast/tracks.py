"""Boxes that are followed -> tracks on one clock: evenly spaced, without gaps, and what had to be left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from drivetrain.core.errors import DataError, SampleError
from drivetrain.core.units import NS_PER_S
from drivetrain.data.arrays import Floats, Ints
from drivetrain.data.log import Box, Log, Stream

_MOST_MISSED = 2.5  # messages: a longer silence is a gap, and what follows it another piece of the track
_LONGEST_NS = 2 * NS_PER_S  # at any rate: nobody knows what a vehicle did meanwhile
_T, _X, _Y, _YAW, _VX, _VY = range(6)


@dataclass(frozen=True, eq=False)
class Track:
    """One thing's way through a log, or a piece of it between two gaps; one row per tick.

    Attributes:
      name: of the thing; pieces share it.
      label: what it is, in the source's words.
      first_tick: of its first row, counted from the first stamp of the stream.
      position_T2: metres, world.
      velocity_T2: metres per second, world; from the position one tick before where the source gives none.
      yaw_T: radians, without jumps of a whole turn.
    """

    name: str
    label: str
    first_tick: int
    position_T2: Floats
    velocity_T2: Floats
    yaw_T: Floats

    def __len__(self) -> int:
        return len(self.yaw_T)


@dataclass(frozen=True, eq=False)
class Tracks:
    """All tracks of one stream of boxes on one clock.

    Attributes:
      stream: its name; the lanes `lanes/X` are those of `boxes/X`.
      start_ns, period_ns: tick i is at start_ns + i x period_ns.
      tracks: by name and time.
      dropped: why something was left out -> how often.
    """

    stream: str
    start_ns: int
    period_ns: int
    tracks: tuple[Track, ...]
    dropped: Mapping[str, int]


def read_tracks(log: Log, *, hz: float = 10.0) -> list[Tracks]:
    """Follow every box of a log that says which thing it is round, stream by stream.

    Observations that are not finite or repeat a stamp, and messages that cannot be read, are left out and counted.

    Args:
      log: with one or more streams of boxes.
      hz: ticks per second; what lies between two observations is interpolated.
    Raises: DataError: no box of the log has a track.
    """
    streams = [cast(Stream[tuple[Box, ...]], stream) for stream in log.of_kind("boxes") if len(stream)]
    found = [tracks for tracks in (_tracks(stream, round(NS_PER_S / hz)) for stream in streams) if tracks.tracks]
    if not found:
        raise DataError(
            f"log {log.name} follows nothing: no box of it has a track",
            hint=f"its streams of boxes: {', '.join(stream.name for stream in streams) or 'none'}",
        )
    return found


def _tracks(stream: Stream[tuple[Box, ...]], period_ns: int) -> Tracks:
    start_ns = int(stream.t_ns.min())
    usual_ns = NS_PER_S / stream.rate_hz if stream.rate_hz else 0
    longest_ns = min(_LONGEST_NS, _MOST_MISSED * max(period_ns, usual_ns))
    dropped: Counter[str] = Counter()
    found: list[Track] = []
    for (name, label), rows in sorted(_observed(stream, start_ns, dropped).items()):
        pieces = _pieces(_cleaned(rows, dropped), longest_ns)
        dropped["gap in a track"] += max(0, len(pieces) - 1)
        dropped["observation without a neighbour"] += sum(len(piece) == 1 for piece in pieces)
        found += (_track(name, label, piece, period_ns) for piece in pieces if len(piece) > 1)
    kept = tuple(track for track in found if len(track))
    return Tracks(stream.name, start_ns, period_ns, kept, {reason: n for reason, n in dropped.items() if n})


def _observed(
    stream: Stream[tuple[Box, ...]], start_ns: int, dropped: Counter[str]
) -> dict[tuple[str, str], list[list[float]]]:
    """Rows (ns since start, x, y, yaw, vx, vy) by track and label; velocity is NaN where it is not given."""
    rows: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    labels: dict[str, str] = {}
    for number, t_ns in enumerate((stream.t_ns - start_ns).tolist()):
        try:
            boxes = stream.read(number)
        except SampleError:
            dropped["message that cannot be read"] += 1
            continue
        for box in boxes:
            if box.track:
                label = labels.setdefault(box.track, box.label)
                velocity = box.velocity or (np.nan, np.nan)
                rows[box.track, label].append([t_ns, *box.centre[:2], box.yaw, *velocity])
    return rows


def _cleaned(rows: list[list[float]], dropped: Counter[str]) -> Floats:
    """Finite rows by time, one for each stamp."""
    table = np.array(rows, np.float64)
    finite = np.isfinite(table[:, :_VX]).all(axis=1)
    dropped["observation that is not finite"] += int((~finite).sum())
    table = table[finite]
    _, first = np.unique(table[:, _T], return_index=True)
    dropped["observation that repeats a stamp"] += len(table) - len(first)
    return table[first]


def _pieces(table: Floats, longest_ns: float) -> list[Floats]:
    ends = np.flatnonzero(np.diff(table[:, _T]) > longest_ns) + 1
    return np.split(table, ends)


def _track(name: str, label: str, table: Floats, period_ns: int) -> Track:
    slack_ns = 0.02 * period_ns  # a stamp that is off by so little still counts as on its tick
    first = int(np.ceil((table[0, _T] - slack_ns) / period_ns))
    last = int(np.floor((table[-1, _T] + slack_ns) / period_ns))
    t_ns = np.arange(first, last + 1) * period_ns
    position = _at(t_ns, table, (_X, _Y))
    yaw = np.interp(t_ns, table[:, _T], np.unwrap(table[:, _YAW]))
    velocity = _at(t_ns, table, (_VX, _VY))
    if not np.isfinite(velocity).all() and len(t_ns):
        step = np.diff(position, axis=0, prepend=position[:1]) * (NS_PER_S / period_ns)
        step[0] = step[min(1, len(step) - 1)]
        velocity = step
    return Track(name, label, first, position, velocity, yaw)


def _at(t_ns: Ints, table: Floats, columns: tuple[int, int]) -> Floats:
    return np.stack([np.interp(t_ns, table[:, _T], table[:, column]) for column in columns], axis=1)
