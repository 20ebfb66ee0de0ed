"""Tracks -> samples: a moment of one agent, its history and future in its own frame, and what is round it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from drivetrain.data.arrays import Floats, Ints
from drivetrain.data.forecast.lanes import NUM_PIECES, NUM_POINTS, LaneMap
from drivetrain.data.forecast.manoeuvres import Manoeuvre, manoeuvre_of
from drivetrain.data.forecast.tracks import Track, Tracks

ROLES = ("ahead", "behind", "ahead left", "behind left", "ahead right", "behind right")
"""The others in a sample: the nearest in the agent's own lane and in those beside it."""

_LANE_M = 3.6  # how wide a lane is where only places of vehicles tell
_SEEN_M = 100.0
_MOVING_M_PER_S = 1.0  # slower than this, yaw says better than velocity where one heads


@dataclass(frozen=True, slots=True)
class Horizon:
    """How far samples look.

    Attributes:
      history_s: of the past; what was not observed is zero and marked so.
      least_s: of it that must have been observed.
      future_s: to be forecast, all of it observed.
      hz: ticks per second, as those of the tracks.
    """

    history_s: float = 1.0
    least_s: float = 0.3
    future_s: float = 3.0
    hz: float = 10.0

    def __post_init__(self) -> None:
        if not 0 < self.least_s <= self.history_s or self.num_future < 1 or self.num_least < 1:
            raise ValueError(f"{self}: expected 0 < least_s <= history_s, and at least one tick in each")

    @property
    def num_history(self) -> int:
        """Ticks of history, without now."""
        return round(self.history_s * self.hz)

    @property
    def num_least(self) -> int:
        """Ticks of history that must have been observed."""
        return round(self.least_s * self.hz)

    @property
    def num_future(self) -> int:
        """Ticks of future."""
        return round(self.future_s * self.hz)


@dataclass(frozen=True, eq=False)
class Window:
    """One sample; arrays are float32, in the agent's frame now: x ahead, y to the left, metres and m/s.

    Attributes:
      track, label: of the agent.
      tick: now.
      origin_2, heading_rad: the agent's frame in the world.
      manoeuvre: what its future is.
      history_H5: x, y, vx, vy and 1 where it was observed, oldest first; the last row is now.
      others_R5: x, y, vx, vy and 1 where there is one, by `ROLES`; velocities are not relative.
      lanes_LP3: x, y and 1 where there is one: pieces of lanes, nearest first.
      future_F2: x, y.
    """

    track: str
    label: str
    tick: int
    origin_2: Floats
    heading_rad: float
    manoeuvre: Manoeuvre
    history_H5: Floats
    others_R5: Floats
    lanes_LP3: Floats
    future_F2: Floats


class _Present(NamedTuple):
    """All that is there at one tick, by the number of the track."""

    number_N: Ints
    position_N2: Floats
    velocity_N2: Floats


def moments(track: Track, horizon: Horizon) -> range:
    """Rows of a track that have enough past and future for a sample."""
    return range(horizon.num_least, len(track) - horizon.num_future)


def windows(tracks: Tracks, lanes: LaneMap, horizon: Horizon) -> Iterator[Window]:
    """A sample at each tick where an agent has enough past and future; by track and time.

    Args:
      tracks: at `horizon.hz`.
      lanes: of the same scene; may be empty.
      horizon: how far samples look.
    """
    present = _present(tracks)
    for number, track in enumerate(tracks.tracks):
        for now in moments(track, horizon):
            yield _window(track, now, _Others(number, present[track.first_tick + now]), lanes, horizon)


class _Others(NamedTuple):
    """Who is there, and which of them is the agent itself."""

    agent: int
    present: _Present


def _present(tracks: Tracks) -> dict[int, _Present]:
    """By tick."""
    rows: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, track in enumerate(tracks.tracks):
        for row in range(len(track)):
            rows[track.first_tick + row].append((number, row))
    return {
        tick: _Present(
            np.array([number for number, _ in seen], np.int64),
            np.array([tracks.tracks[number].position_T2[row] for number, row in seen]),
            np.array([tracks.tracks[number].velocity_T2[row] for number, row in seen]),
        )
        for tick, seen in rows.items()
    }


def _window(track: Track, now: int, others: _Others, lanes: LaneMap, horizon: Horizon) -> Window:
    origin, end = track.position_T2[now], now + horizon.num_future
    heading, last_heading = _heading_rad(track, now), _heading_rad(track, end)
    into = _into_frame(heading)
    future = (track.position_T2[now + 1 : end + 1] - origin) @ into
    change = None
    if lanes.lanes:
        change = lanes.side_of_change(lanes.at(origin, heading), lanes.at(track.position_T2[end], last_heading))
    speeds = np.linalg.norm(track.velocity_T2[[now, end]], axis=1)
    return Window(
        track=track.name,
        label=track.label,
        tick=track.first_tick + now,
        origin_2=origin,
        heading_rad=heading,
        manoeuvre=manoeuvre_of(
            future,
            last_heading - heading,
            (float(speeds[0]), float(speeds[1])),
            seconds=horizon.future_s,
            lane_change=change,
        ),
        history_H5=_history(track, now, origin, into, horizon.num_history),
        others_R5=_by_role(others, origin, into),
        lanes_LP3=_lanes(lanes, origin, into),
        future_F2=future.astype(np.float32),
    )


def _heading_rad(track: Track, tick: int) -> float:
    vx, vy = track.velocity_T2[tick]
    return float(np.arctan2(vy, vx) if np.hypot(vx, vy) > _MOVING_M_PER_S else track.yaw_T[tick])


def _into_frame(heading_rad: float) -> Floats:
    """The matrix that row vectors of the world are multiplied by."""
    cosine, sine = np.cos(heading_rad), np.sin(heading_rad)
    return np.array([[cosine, -sine], [sine, cosine]])


def _history(track: Track, now: int, origin: Floats, into: Floats, num_history: int) -> Floats:
    rows = np.zeros((num_history + 1, 5), np.float32)
    past = slice(max(0, now - num_history), now + 1)
    num_rows = past.stop - past.start
    rows[-num_rows:, 0:2] = (track.position_T2[past] - origin) @ into
    rows[-num_rows:, 2:4] = track.velocity_T2[past] @ into
    rows[-num_rows:, 4] = 1
    return rows


def _by_role(others: _Others, origin: Floats, into: Floats) -> Floats:
    rows = np.zeros((len(ROLES), 5), np.float32)
    number_N, position_N2, velocity_N2 = others.present
    place_N2 = (position_N2 - origin) @ into
    gap_N, lane_N = np.abs(place_N2[:, 0]), np.rint(place_N2[:, 1] / _LANE_M)
    is_near_N = (number_N != others.agent) & (gap_N < _SEEN_M)
    for role in range(len(ROLES)):
        lane, is_behind = (0, 1, -1)[role // 2], bool(role % 2)
        found = np.flatnonzero(is_near_N & (lane_N == lane) & ((place_N2[:, 0] < 0) == is_behind))
        if len(found):
            nearest = found[gap_N[found].argmin()]
            rows[role] = [*place_N2[nearest], *(velocity_N2[nearest] @ into), 1]
    return rows


def _lanes(lanes: LaneMap, origin: Floats, into: Floats) -> Floats:
    rows = np.zeros((NUM_PIECES, NUM_POINTS, 3), np.float32)
    near = lanes.near(origin + 10.0 * into[:, 0])  # ten metres ahead, where one is going
    rows[: len(near), :, :2] = (near - origin) @ into
    rows[: len(near), :, 2] = 1
    return rows
