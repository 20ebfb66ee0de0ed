"""Motion and boxes -> what the vehicle, or another one before it, is doing at each stamp."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from drivetrain.core.units import NS_PER_S
from drivetrain.data.arrays import Floats, Ints, Mask
from drivetrain.data.log import Box
from drivetrain.data.tags.around import is_vehicle
from drivetrain.data.tags.motion import Motion

MANOEUVRES = ("stop", "turn_left", "turn_right", "lane_change_left", "lane_change_right", "hard_brake", "cut_in")

STOP_M_PER_S = 0.3
"""Slower is standing still (ours: well below walking pace, above the noise of poses)."""

TURN_RATE_RAD_PER_S, TURN_RAD = 0.1, np.radians(30.0)
"""A stretch that turns this fast all the time and this far in all is a turn (ours: a motorway bend of 400 m radius at
30 m/s turns with 0.075 rad/s; a corner of 15 m at 5 m/s with 0.33)."""

HARD_BRAKE_M_PER_S2 = 3.4
"""The deceleration that most drivers find comfortable at most: AASHTO, A Policy on Geometric Design of Highways and
Streets, stopping sight distance."""

LANE_CHANGE_S, LANE_CHANGE_M, LANE_CHANGE_RAD = 6.0, 2.4, np.radians(4.0)
"""Two thirds of a 3.6 m lane (AASHTO) to the side within this time, and the same direction before and after. Lane
changes take 4.6 s on average: Toledo and Zohar, Modeling duration of lane changes, TRR 1999, 2007."""

_LANE_CHANGE_ABOVE_M_PER_S = 3.0
HALF_LANE_M, OVER_THE_LINE_M = 1.75, 0.3
"""A vehicle cuts in when its near side has crossed the line by this much, of a lane this wide: UN Regulation 157,
5.2.5.2 and annex 3 (lane width 3.5 m, 0.3 m over the marking)."""

_CUT_IN_AHEAD_M, _CUT_IN_S, _CUT_IN_RAD, _CUT_IN_ABOVE_M_PER_S = 40.0, 3.0, np.radians(45.0), 1.0


def manoeuvres(motion: Motion) -> dict[str, Mask]:
    """Which stamps are in a stop, a turn, a lane change or hard braking, by name.

    Lane changes are told without a map, from a shift to the side between equal directions: a road that bends and bends
    back looks the same. Within three seconds of either end of the motion none is told.
    """
    left, right = _turns(motion)
    to_left, to_right = _lane_changes(motion)
    turns = left | right
    with np.errstate(invalid="ignore"):
        brakes = motion.acceleration_N_m_per_s2 <= -HARD_BRAKE_M_PER_S2
    return {
        "stop": motion.speed_N_m_per_s < STOP_M_PER_S,
        "turn_left": left,
        "turn_right": right,
        "lane_change_left": to_left & ~turns,
        "lane_change_right": to_right & ~turns,
        "hard_brake": brakes,
    }


def cut_ins(motion: Motion, t_M_ns: Ints, boxes: Sequence[Sequence[Box]]) -> Mask:
    """At which stamps another vehicle has come into our lane, close ahead, within the last seconds.

    Our lane is taken to go straight on, so it is told 40 m ahead at most. Boxes without a track are left out.

    Args:
      motion: ours, in the boxes' frame of reference.
      t_M_ns: a stamp for each group of boxes, ascending.
      boxes: what is around at that stamp.
    """
    found_M = np.zeros(len(t_M_ns), np.bool_)
    if len(motion):
        for path in _paths(motion, t_M_ns, boxes):
            found_M[path.frames[_enters(path)]] = True
    return found_M


@dataclass(frozen=True, eq=False)
class _Path:
    """One vehicle seen from ours: frames, seconds, ahead and aside in metres, course against ours in radians."""

    frames: Ints
    t_s: Floats
    ahead: Floats
    near_side: Floats
    against: Floats
    speed: Floats


def _turns(motion: Motion) -> tuple[Mask, Mask]:
    found = []
    for sign in (1.0, -1.0):
        with np.errstate(invalid="ignore"):
            turning = sign * motion.yaw_rate_N_rad_per_s > TURN_RATE_RAD_PER_S
        mask = np.zeros(len(motion), np.bool_)
        step_s = np.diff(motion.t_N_ns, append=motion.t_N_ns[-1:]) / NS_PER_S
        for first, last in _stretches(turning):
            part = slice(first, last)
            if np.abs((motion.yaw_rate_N_rad_per_s[part] * step_s[part]).sum()) >= TURN_RAD:
                mask[part] = True
        found.append(mask)
    return found[0], found[1]


def _lane_changes(motion: Motion) -> tuple[Mask, Mask]:
    """To the left, to the right: by where the vehicle is half the time before and after each stamp."""
    nothing = np.zeros(len(motion), np.bool_)
    if not len(motion):
        return nothing, nothing
    t_s = (motion.t_N_ns - motion.t_N_ns[0]) / NS_PER_S
    ends = []
    for shift in (-LANE_CHANGE_S / 2, LANE_CHANGE_S / 2):
        track = (motion.xy_N2[:, 0], motion.xy_N2[:, 1], motion.course_N, motion.speed_N_m_per_s)
        ends.append([np.interp(t_s + shift, t_s, values, left=np.nan, right=np.nan) for values in track])
    (x0, y0, course0, speed0), (x1, y1, course1, speed1) = ends
    # Seen along either end's direction: a bend shifts to opposite sides, a lane change to the same.
    aside = [-np.sin(c) * (x1 - x0) + np.cos(c) * (y1 - y0) for c in (course0, course1)]
    with np.errstate(invalid="ignore"):
        straight = np.abs(course1 - course0) < LANE_CHANGE_RAD
        straight &= np.minimum(speed0, speed1) > _LANE_CHANGE_ABOVE_M_PER_S
        to_left = straight & (np.minimum(*aside) > LANE_CHANGE_M)
        to_right = straight & (np.maximum(*aside) < -LANE_CHANGE_M)
    return to_left, to_right


def _paths(motion: Motion, t_M_ns: Ints, boxes: Sequence[Sequence[Box]]) -> Iterator[_Path]:
    x, y, course = (
        np.interp(t_M_ns, motion.t_N_ns, values) for values in (motion.xy_N2[:, 0], motion.xy_N2[:, 1], motion.course_N)
    )
    tracks: dict[str, list[tuple[int, Box]]] = {}
    for frame, group in enumerate(boxes):
        for box in group:
            if box.track and is_vehicle(box.label):
                tracks.setdefault(box.track, []).append((frame, box))
    for seen in tracks.values():
        frames = np.array([frame for frame, _ in seen])
        away_N2 = np.array([box.centre[:2] for _, box in seen]) - np.stack([x, y], axis=1)[frames]
        cos, sin = np.cos(course[frames]), np.sin(course[frames])
        aside = -sin * away_N2[:, 0] + cos * away_N2[:, 1]
        t_s = (t_M_ns[frames] - t_M_ns[0]) / NS_PER_S
        velocity = _velocity(t_s, np.array([box.centre[:2] for _, box in seen]))
        against = np.arctan2(velocity[:, 1], velocity[:, 0]) - course[frames]
        yield _Path(
            frames=frames,
            t_s=t_s,
            ahead=cos * away_N2[:, 0] + sin * away_N2[:, 1],
            near_side=np.maximum(np.abs(aside) - np.array([box.size[1] for _, box in seen]) / 2, 0.0),
            against=np.abs((against + np.pi) % (2 * np.pi) - np.pi),
            speed=np.hypot(velocity[:, 0], velocity[:, 1]),
        )


def _enters(path: _Path) -> Mask:
    """At which of its stamps it is in our lane ahead, and was beside it a short time before."""
    ahead = (path.ahead > 0) & (path.ahead < _CUT_IN_AHEAD_M)
    goes_along = (path.against < _CUT_IN_RAD) & (path.speed > _CUT_IN_ABOVE_M_PER_S)
    inside = ahead & goes_along & (path.near_side < HALF_LANE_M - OVER_THE_LINE_M)
    beside = np.flatnonzero((path.near_side > HALF_LANE_M) & goes_along)
    last = np.searchsorted(beside, np.arange(len(inside))) - 1
    since_s = np.full(len(inside), np.inf)
    was = last >= 0
    since_s[was] = path.t_s[was] - path.t_s[beside[last[was]]]
    return cast(Mask, inside & (since_s <= _CUT_IN_S))


def _velocity(t_s: Floats, xy_N2: Floats) -> Floats:
    if len(t_s) < 2:
        return np.zeros_like(xy_N2)
    return cast(Floats, np.gradient(xy_N2, t_s, axis=0))


def _stretches(mask: Mask) -> list[tuple[int, int]]:
    """First and one past the last place of each run of true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
