"""What the future of a sample turned out to be, for slices: which way it went, and how its speed changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.data.arrays import Floats

WAYS = ("standing", "straight", "left turn", "right turn", "lane change")
PACES = ("standing", "steady", "slowing", "speeding up")

_STANDING_M = 1.0  # less than this in all is standing
_TURN_RAD = np.radians(20.0)
_ASIDE_M = 2.0  # more than half a lane off the arc that ends with the same heading
_CHANGE_M_PER_S2 = 0.5  # on average over the future


@dataclass(frozen=True, slots=True)
class Manoeuvre:
    """What a sample's future is: one of `WAYS` and one of `PACES`."""

    way: str
    pace: str


def manoeuvre_of(
    future_T2: Floats,
    turned_rad: float,
    speeds_m_per_s: tuple[float, float],
    *,
    seconds: float,
    lane_change: str | None,
) -> Manoeuvre:
    """Name a future.

    Args:
      future_T2: positions in the agent's frame, metres.
      turned_rad: heading at the end minus heading now.
      speeds_m_per_s: now, and at the end.
      seconds: how long it is.
      lane_change: `left` or `right` by the map, empty for none; None where no map tells, and then it is one when it
        ends more than 2 m beside a circular arc of the same change of heading.
    """
    if float(np.linalg.norm(np.diff(future_T2, axis=0, prepend=np.zeros((1, 2))), axis=1).sum()) < _STANDING_M:
        return Manoeuvre("standing", "standing")
    gained = (speeds_m_per_s[1] - speeds_m_per_s[0]) / seconds
    pace = "slowing" if gained < -_CHANGE_M_PER_S2 else "speeding up" if gained > _CHANGE_M_PER_S2 else "steady"
    turned = float((turned_rad + np.pi) % (2 * np.pi) - np.pi)
    if lane_change is None:
        x, y = future_T2[-1]
        lane_change = "aside" if abs(turned) < _TURN_RAD and abs(y - x * np.tan(turned / 2)) > _ASIDE_M else ""
    if lane_change:
        return Manoeuvre("lane change", pace)
    way = "left turn" if turned > _TURN_RAD else "right turn" if turned < -_TURN_RAD else "straight"
    return Manoeuvre(way, pace)
