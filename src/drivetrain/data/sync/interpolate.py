"""What a stream would have said between two of its messages: numbers along a line, poses along the shortest arc."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.data.arrays import Floats, Ints
from drivetrain.data.log import Pose, Stream
from drivetrain.data.sync.join import distinct

_PARALLEL = 0.9995  # beyond this cosine an arc is as good as a line, and its sine too small to divide by


@dataclass(frozen=True, eq=False)
class Interpolated:
    """What each query found.

    Attributes:
      values_NF: one row per query; NaN outside the stream, in a gap of it, and beside a value that is not finite.
      num_missed: queries whose whole row is NaN.
    """

    values_NF: Floats
    num_missed: int


def interpolate(query_t_ns: Ints, t_ns: Ints, values_NF: Floats, *, tolerance_ns: int) -> Interpolated:
    """Values at the queries' stamps, between the messages before and after.

    Args:
      query_t_ns, t_ns: int64 stamps, in any order; of repeated ones the first message counts.
      values_NF: float64, a row per message.
      tolerance_ns: the largest distance of two neighbouring messages that is bridged; nothing is extrapolated.
    Raises: TypeError, ValueError: as `nearest`.
    """
    left, right, share = _between(query_t_ns, t_ns, tolerance_ns)
    values = np.full((len(query_t_ns), values_NF.shape[1]), np.nan)
    found = left >= 0
    a, b, part = values_NF[left[found]], values_NF[right[found]], share[found, None]
    with np.errstate(invalid="ignore", over="ignore"):  # infinity minus itself: found, and missed below
        values[found] = np.where(part == 0, a, a + (b - a) * part)
    return _complete(values)


def interpolate_poses(query_t_ns: Ints, t_ns: Ints, poses_N7: Floats, *, tolerance_ns: int) -> Interpolated:
    """Poses at the queries' stamps: positions along a line, headings along the shortest arc at constant turn.

    Args:
      query_t_ns, t_ns, tolerance_ns: as in `interpolate`.
      poses_N7: x, y, z in metres, then a quaternion w, x, y, z of any length above zero; float64.
    """
    left, right, share = _between(query_t_ns, t_ns, tolerance_ns)
    sound = np.isfinite(poses_N7).all(axis=1) & (np.linalg.norm(poses_N7[:, 3:], axis=1) > 1e-6)
    found = left >= 0
    found[found] = sound[left[found]] & (sound[right[found]] | (share[found] == 0))
    left, right, share = left[found], right[found], share[found]
    right = np.where(share == 0, left, right)
    poses = np.full((len(query_t_ns), 7), np.nan)
    along = poses_N7[left, :3] + (poses_N7[right, :3] - poses_N7[left, :3]) * share[:, None]
    poses[found] = np.concatenate([along, slerp(poses_N7[left, 3:], poses_N7[right, 3:], share)], axis=1)
    return _complete(poses)


def slerp(from_N4: Floats, to_N4: Floats, share_N: Floats) -> Floats:
    """Unit quaternions on the shortest arc from one to the other, at a share (0 .. 1) of the way.

    A quaternion and its negative are one turn, so the nearer of the two is gone to. Source: Shoemake, SIGGRAPH 1985.
    """
    start = from_N4 / np.linalg.norm(from_N4, axis=1, keepdims=True)
    end = to_N4 / np.linalg.norm(to_N4, axis=1, keepdims=True)
    cosine = (start * end).sum(axis=1, keepdims=True)
    end, cosine = np.where(cosine < 0, -end, end), np.clip(np.abs(cosine), 0, 1)
    angle, share = np.arccos(cosine), share_N[:, None]
    flat = cosine > _PARALLEL
    sine = np.where(flat, 1.0, np.sin(angle))
    weight_start = np.where(flat, 1 - share, np.sin((1 - share) * angle) / sine)
    weight_end = np.where(flat, share, np.sin(share * angle) / sine)
    mixed = weight_start * start + weight_end * end
    unit: Floats = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return unit


def _between(query_t_ns: Ints, t_ns: Ints, tolerance_ns: int) -> tuple[Ints, Ints, Floats]:
    """For each query the messages before and after, -1 where there are none near enough, and how far between it is."""
    order, stamps = distinct(query_t_ns, t_ns, tolerance_ns)
    if not len(stamps):
        nothing = np.full(len(query_t_ns), -1, np.int64)
        return nothing, nothing, np.zeros(len(query_t_ns))
    before = np.searchsorted(stamps, query_t_ns, side="right") - 1
    left, right = np.maximum(before, 0), np.minimum(before + 1, len(stamps) - 1)
    exact = (before >= 0) & (stamps[left] == query_t_ns)
    step = stamps[right] - stamps[left]
    bridged = (before >= 0) & (step > 0) & (step <= tolerance_ns)
    share = np.where(bridged & ~exact, (query_t_ns - stamps[left]) / np.maximum(step, 1), 0.0)
    found = exact | bridged
    return np.where(found, order[left], -1), np.where(found, order[right], -1), share


def _complete(values_NF: Floats) -> Interpolated:
    finite = np.isfinite(values_NF)
    return Interpolated(np.where(finite, values_NF, np.nan), int((~finite.any(axis=1)).sum()))


def pose_rows(stream: Stream[Pose]) -> Floats:
    """All poses of a stream, float64, N7, as `interpolate_poses` takes them. Raises SampleError: one cannot be read."""
    poses = (stream.read(i) for i in range(len(stream)))
    return np.array([(*pose.position, *pose.heading) for pose in poses], np.float64).reshape(-1, 7)
