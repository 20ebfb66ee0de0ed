"""How the vehicle turned and travelled, as each stream tells it: what clocks are compared by.

A camera's poses, a lidar's, a gyro and a speedometer are all carried by one vehicle, so what they say of its motion can
differ in when, not in what.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, cast

import numpy as np

from drivetrain.core.units import NS_PER_S
from drivetrain.data.arrays import Floats, Ints, Mask
from drivetrain.data.health.numbers import lists_many
from drivetrain.data.log import Log, Pose, Stream
from drivetrain.data.sync.interpolate import pose_rows

Quantity = Literal["turning", "travel"]
_MOST_MESSAGES = 20_000  # of one stream, from its middle: enough to compare clocks by, however long the log
_FEWEST = 8
_GAP_S = 0.12  # and never less: what a vehicle does in between is well guessed
_TURNING = re.compile(r"(yaw|gyro|angular|rotation|turn).*_(rad|deg)_per_s$|^(gyro|angular).*_per_s$")
_TRAVEL = re.compile(r"speed.*_m_per_s$")


@dataclass(frozen=True, eq=False)
class Motion:
    """What one stream says of one quantity.

    Attributes:
      stream, field: who says it; field is empty for poses.
      quantity: turning about the vertical, in radians, or travel, in metres.
      t_s: stamps, seconds since an origin of the caller's, strictly ascending.
      total_N: turned or travelled so far, up to a constant, a sign and a scale.
      rate_N: per second, at the stamps.
    """

    stream: str
    field: str
    quantity: Quantity
    t_s: Floats
    total_N: Floats
    rate_N: Floats

    @cached_property
    def period_s(self) -> float:
        """The usual distance of stamps."""
        return float(np.median(np.diff(self.t_s)))

    @cached_property
    def gaps_N(self) -> Ints:
        """How many gaps lie before each stamp: distances too long to say what happened in them."""
        return np.concatenate([[0], np.cumsum(np.diff(self.t_s) > max(3 * self.period_s, _GAP_S))])


def motions_of(log: Log, origin_ns: int) -> list[Motion]:
    """All that a log's poses and scalars say of its vehicle's motion. Raises SampleError: a pose cannot be read."""
    found: list[Motion] = []
    for stream in log.of_kind("pose"):
        found += _of_poses(cast(Stream[Pose], _middle(stream)), origin_ns)
    for stream in log.of_kind("scalars"):
        told = any(_TURNING.search(name) or _TRAVEL.search(name) for name in stream.fields)
        if stream.values is not None and told and not lists_many(stream):
            found += _of_scalars(stream, origin_ns)
    return found


def _of_poses(stream: Stream[Pose], origin_ns: int) -> Iterator[Motion]:
    poses_N7 = pose_rows(stream)
    sound = np.isfinite(poses_N7).all(axis=1) & (np.linalg.norm(poses_N7[:, 3:], axis=1) > 1e-6)
    kept = _ascending(stream.t_ns, sound)
    if len(kept) < _FEWEST:
        return
    poses_N7, t_s = poses_N7[kept], (stream.t_ns[kept] - origin_ns) / NS_PER_S
    turned = (_turns(poses_N7[:, 3:]) * _up(poses_N7[1:, :3], stream.frame)).sum(axis=1)
    gone = np.linalg.norm(np.diff(poses_N7[:, :3], axis=0), axis=1)
    steps: tuple[tuple[Quantity, Floats], ...] = (("turning", turned), ("travel", gone))
    for quantity, step in steps:
        total = np.concatenate([[0.0], np.cumsum(step)])
        yield Motion(stream.name, "", quantity, t_s, total, np.gradient(total, t_s))


def _of_scalars(stream: Stream[object], origin_ns: int) -> Iterator[Motion]:
    assert stream.values is not None
    values_NF = stream.values()
    for column, name in enumerate(stream.fields):
        turning = _TURNING.search(name) is not None
        if not turning and not _TRAVEL.search(name):
            continue
        kept = _ascending(stream.t_ns, np.isfinite(values_NF[:, column]))
        start = max(0, (len(kept) - _MOST_MESSAGES) // 2)
        kept = kept[start : start + _MOST_MESSAGES]
        if len(kept) < _FEWEST:
            continue
        rate = values_NF[kept, column] * (np.pi / 180 if "_deg_" in name else 1.0)
        t_s = (stream.t_ns[kept] - origin_ns) / NS_PER_S
        total = np.concatenate([[0.0], np.cumsum(np.diff(t_s) * (rate[1:] + rate[:-1]) / 2)])
        yield Motion(stream.name, name, "turning" if turning else "travel", t_s, total, rate)


def _middle(stream: Stream[object]) -> Stream[object]:
    """The stream itself, or the middle of a long one."""
    first = (len(stream) - _MOST_MESSAGES) // 2
    if first <= 0:
        return stream
    return Stream(
        name=stream.name,
        kind=stream.kind,
        frame=stream.frame,
        t_ns=stream.t_ns[first : first + _MOST_MESSAGES],
        read=lambda i: stream.read(first + i),
        labels=[""] * _MOST_MESSAGES,
        num_listed=_MOST_MESSAGES,
    )


def _ascending(t_ns: Ints, sound: Mask) -> Ints:
    """Sound messages whose stamp is larger than all before: where time jumps back, what repeats is left out."""
    kept = np.flatnonzero(sound)
    stamps = t_ns[kept]
    before = np.concatenate([[np.iinfo(np.int64).min], np.maximum.accumulate(stamps)[:-1]]) if len(kept) else stamps
    found: Ints = kept[stamps > before]
    return found


def _turns(headings_N4: Floats) -> Floats:
    """From each heading to the next, as an axis times an angle in radians, world (N-1 x 3)."""
    q = headings_N4 / np.linalg.norm(headings_N4, axis=1, keepdims=True)
    (w, v), (w0, v0) = (q[1:, :1], q[1:, 1:]), (q[:-1, :1], q[:-1, 1:])
    scalar = w * w0 + (v * v0).sum(axis=1, keepdims=True)  # of q times the conjugate of the one before
    vector = w0 * v - w * v0 - np.cross(v, v0)
    vector = np.where(scalar < 0, -vector, vector)
    sine = np.linalg.norm(vector, axis=1, keepdims=True)
    angle = 2 * np.arctan2(sine, np.abs(scalar))
    turns: Floats = vector * np.where(sine > 1e-12, angle / np.maximum(sine, 1e-12), 2.0)
    return turns


def _up(positions_N3: Floats, frame: str) -> Floats:
    """The vertical at each position: away from the Earth's middle in ECEF, else +z."""
    if frame != "ecef":
        return np.broadcast_to([0.0, 0.0, 1.0], positions_N3.shape)
    up: Floats = positions_N3 / np.maximum(np.linalg.norm(positions_N3, axis=1, keepdims=True), 1.0)
    return up
