"""How a vehicle moves, from its poses or from its speed and yaw rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from drivetrain.core.errors import SampleError
from drivetrain.core.units import NS_PER_S
from drivetrain.data.arrays import Floats, Ints
from drivetrain.data.log import Log, Pose, Stream

_HALF_WINDOW_S = 0.25
"""Slopes are of lines through what is this near in time: short against a manoeuvre, long against noise of poses."""

_MOVES_ABOVE_M_PER_S = 0.5  # below it the direction of travel is noise, and the last one holds


@dataclass(frozen=True, eq=False)
class Motion:
    """A vehicle's motion at N ascending stamps.

    Attributes:
      t_N_ns: int64.
      xy_N2: metres, in any level frame of reference that stands still.
      course_N: direction of travel, radians from x to y, without jumps.
      speed_N_m_per_s: 0 or more.
      acceleration_N_m_per_s2: along the direction of travel; NaN where there are too few stamps to tell.
      yaw_rate_N_rad_per_s: to the left is positive; NaN likewise.
    """

    t_N_ns: Ints
    xy_N2: Floats
    course_N: Floats
    speed_N_m_per_s: Floats
    acceleration_N_m_per_s2: Floats
    yaw_rate_N_rad_per_s: Floats

    def __len__(self) -> int:
        return len(self.t_N_ns)


def motion_from_poses(t_N_ns: Ints, xyz_N3: Floats, yaw_N: Floats) -> Motion:
    """Motion of what has these poses; those that are not finite, and all but the first of one stamp, are left out.

    Args:
      t_N_ns: int64, in any order.
      xyz_N3: metres.
      yaw_N: about +z, radians; only its change counts.
    """
    t_N_ns, (xyz_N3, yaw_N) = _in_order(t_N_ns, xyz_N3, yaw_N)
    xy_N2, yaw_N = xyz_N3[:, :2], np.unwrap(yaw_N)
    velocity_N2 = slopes(t_N_ns, xy_N2)
    speed_N = np.nan_to_num(np.hypot(velocity_N2[:, 0], velocity_N2[:, 1]))
    course_N = np.arctan2(velocity_N2[:, 1], velocity_N2[:, 0])
    moves_N = speed_N > _MOVES_ABOVE_M_PER_S
    return Motion(
        t_N_ns=t_N_ns,
        xy_N2=xy_N2,
        course_N=np.unwrap(_held(np.where(moves_N, course_N, np.nan), otherwise=yaw_N)),
        speed_N_m_per_s=speed_N,
        acceleration_N_m_per_s2=slopes(t_N_ns, speed_N[:, None])[:, 0],
        yaw_rate_N_rad_per_s=slopes(t_N_ns, yaw_N[:, None])[:, 0],
    )


def motion_from_speed(t_N_ns: Ints, speed_N_m_per_s: Floats, yaw_rate_N_rad_per_s: Floats) -> Motion:
    """Motion of a vehicle that tells its speed and yaw rate: begins at the origin, along x, by dead reckoning."""
    t_N_ns, (speed_N, rate_N) = _in_order(t_N_ns, speed_N_m_per_s, yaw_rate_N_rad_per_s)
    step_N_s = np.diff(t_N_ns, prepend=t_N_ns[:1]) / NS_PER_S
    course_N = np.cumsum(rate_N * step_N_s)
    xy_N2 = np.cumsum((speed_N * step_N_s)[:, None] * np.stack([np.cos(course_N), np.sin(course_N)], axis=1), axis=0)
    acceleration_N = slopes(t_N_ns, speed_N[:, None])[:, 0]
    return Motion(t_N_ns, xy_N2, course_N, np.abs(speed_N), acceleration_N, rate_N)


def motion_of(log: Log) -> Motion | None:
    """The motion of the vehicle that recorded a log; None where it has neither poses nor speed and yaw rate.

    Of several streams the one with the most messages is taken, of poses `pose/ego` before those of sensors; poses that
    cannot be read are left out.
    """
    poses = sorted(cast(list[Stream[Pose]], log.of_kind("pose")), key=lambda s: (s.name != "pose/ego", -len(s)))
    if poses and len(poses[0]):
        return _motion_of_poses(poses[0], is_camera=f"camera/{poses[0].name.partition('/')[2]}" in log.streams)
    speed, rate = (_numbers(log, name) for name in ("speed_m_per_s", "yaw_rate_rad_per_s"))
    if speed is None or rate is None:
        return None
    return motion_from_speed(speed[0], speed[1], np.interp(speed[0], *rate))


def slopes(t_N_ns: Ints, values_NK: Floats) -> Floats:
    """Change per second of each value at each stamp, NK: of the least-squares line through what is near in time.

    NaN where fewer than three stamps are near.
    """
    t_N = (t_N_ns - t_N_ns[0]) / NS_PER_S if len(t_N_ns) else np.empty(0)
    low = np.searchsorted(t_N, t_N - _HALF_WINDOW_S - 1e-6)
    high = np.searchsorted(t_N, t_N + _HALF_WINDOW_S + 1e-6)
    count_N1 = (high - low)[:, None]
    values_NK = values_NK - values_NK[:1]

    def sums(of_NK: Floats) -> Floats:
        total = np.concatenate([np.zeros((1, of_NK.shape[1])), np.cumsum(of_NK, axis=0)])
        difference: Floats = total[high] - total[low]
        return difference

    time_N1 = t_N[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_t, mean_v = sums(time_N1) / count_N1, sums(values_NK) / count_N1
        spread = sums(time_N1**2) / count_N1 - mean_t**2
        slope_NK = (sums(time_N1 * values_NK) / count_N1 - mean_t * mean_v) / spread
    known: Floats = np.where(count_N1 >= 3, slope_NK, np.nan)
    return known


def _motion_of_poses(stream: Stream[Pose], *, is_camera: bool) -> Motion:
    """A camera looks along its z; anything else along its x."""
    poses = [_read(stream, number) for number in range(len(stream))]
    good = [number for number, pose in enumerate(poses) if pose.is_valid]
    ahead_N3 = np.array([poses[n].rotation[:, 2 if is_camera else 0] for n in good]).reshape(-1, 3)
    xyz_N3 = np.array([poses[n].position for n in good], np.float64).reshape(-1, 3)
    if stream.frame == "ecef" and len(good):
        level_33 = _east_north_up(xyz_N3[0])
        xyz_N3, ahead_N3 = (xyz_N3 - xyz_N3[0]) @ level_33.T, ahead_N3 @ level_33.T
    return motion_from_poses(stream.t_ns[good], xyz_N3, np.arctan2(ahead_N3[:, 1], ahead_N3[:, 0]))


def _read(stream: Stream[Pose], number: int) -> Pose:
    try:
        return stream.read(number)
    except SampleError:
        return Pose((np.nan,) * 3, (np.nan,) * 4)


def _east_north_up(at_3: Floats) -> Floats:
    """Rows are those directions at a place on Earth, ECEF metres, for a sphere: up is off by 0.2 degrees at most."""
    up = at_3 / np.linalg.norm(at_3)
    east = np.cross([0.0, 0.0, 1.0], up)
    east = east / np.linalg.norm(east) if np.linalg.norm(east) > 1e-9 else np.array([0.0, 1.0, 0.0])
    return np.stack([east, np.cross(up, east), up])


def _numbers(log: Log, field: str) -> tuple[Ints, Floats] | None:
    """Stamps and values, in order, of the scalars stream that tells a field most often."""
    found = [s for s in log.of_kind("scalars") if field in s.fields and s.values is not None and len(s)]
    if not found:
        return None
    stream = max(found, key=len)
    assert stream.values is not None
    t_ns, (values,) = _in_order(stream.t_ns, stream.values()[:, stream.fields.index(field)])
    return t_ns, values


def _in_order(t_N_ns: Ints, *values: Floats) -> tuple[Ints, list[Floats]]:
    """By time, each stamp once, without rows that are not finite."""
    finite_N = np.all([np.isfinite(v).all(axis=tuple(range(1, v.ndim))) for v in values], axis=0)
    kept_ns, first = np.unique(t_N_ns[finite_N], return_index=True)
    return kept_ns, [np.asarray(v, np.float64)[finite_N][first] for v in values]


def _held(values_N: Floats, *, otherwise: Floats) -> Floats:
    """Each NaN replaced by the last value before it, by the first where there is none before."""
    known = np.flatnonzero(np.isfinite(values_N))
    if not len(known):
        return otherwise
    at = known[np.maximum(np.searchsorted(known, np.arange(len(values_N)), side="right") - 1, 0)]
    held: Floats = values_N[at]
    return held
