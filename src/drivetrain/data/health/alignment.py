"""Whether lidar points fall where the camera sees the things they lie on, told by edges.

Where neighbouring points differ in class, or one lies far behind the other, the picture should have an edge. The points
are moved over the picture until their edges lie on the picture's; what is left is how far the camera is turned against
its recorded pose. Source: Levinson and Thrun, "Automatic Online Calibration of Cameras and Lasers" (RSS 2013).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from drivetrain.data.arrays import Bytes, Floats, Ints, Mask
from drivetrain.data.build import TOLERANCE_NS
from drivetrain.data.health.findings import Finding, worst
from drivetrain.data.health.findings import graded as _graded
from drivetrain.data.health.focal import recorded_over_true
from drivetrain.data.health.looks import FrameLook, Looks, SweepLook
from drivetrain.data.health.thresholds import CalibrationLimits
from drivetrain.data.log import Intrinsics, Log, Pose
from drivetrain.data.project import inside, project

_REACH_YAW_DEG, _REACH_PITCH_DEG = 8.0, 4.0
_REACHES = (1.0, 0.25)  # of each round, as a share of the above
_FEWEST_FRAMES, _FEWEST_EDGES = 3, 60
_BEHIND = 0.12  # one point lies behind another when it is further away by this share
_FOCAL_REACH_PX = 3  # a turn that was taken for a focal length, and the other way round
_NUM_DRAWS = 40
_CELL_POINTS = 1.3  # points in a cell of the grid in which neighbours are looked for, on average


@dataclass(frozen=True, eq=False)
class Alignment:
    """How a camera is turned against its recorded poses.

    Attributes:
      camera, lidar: of which.
      yaw_deg: recorded minus true, to the left.
      pitch_deg: recorded minus true, downwards.
      yaw_error_deg, pitch_error_deg: by how much it changes with the choice of frames.
      shift_px: (right, down): how far points lie from the edges they belong to, at the size of the recorded images.
      focal, focal_error: recorded focal length as a multiple of the one that fits, and by how much it changes likewise.
      num_frames, num_edges: that it rests on.
      score_YX: agreement by shift, 0 .. 1, of the first round; for pictures.
    """

    camera: str
    lidar: str
    yaw_deg: float
    pitch_deg: float
    yaw_error_deg: float
    pitch_error_deg: float
    shift_px: tuple[float, float]
    focal: float
    focal_error: float
    num_frames: int
    num_edges: int
    score_YX: Floats


@dataclass(frozen=True, eq=False)
class _View:
    """A frame with its sweep and its pose; intrinsics fit the grey picture."""

    frame: FrameLook
    sweep: SweepLook
    pose: Pose
    intrinsics: Intrinsics
    across_HW: Floats
    down_HW: Floats


def alignments_of(log: Log, looks: Looks) -> list[Alignment]:
    """One for each camera that has poses, intrinsics that can be used, and frames with a sweep near them."""
    found = []
    for camera in log.cameras:
        views = _views(log, camera.name, looks)
        if len(views) >= _FEWEST_FRAMES:
            alignment = _align(views)
            if alignment is not None:
                found.append(alignment)
    return found


def alignment_finding(alignment: Alignment, limits: CalibrationLimits) -> Finding:
    """Whether the camera is turned, or its focal length off, by more than can be excused."""
    parts = []
    for turn, error in (
        (alignment.yaw_deg, alignment.yaw_error_deg),
        (alignment.pitch_deg, alignment.pitch_error_deg),
    ):
        beyond = abs(turn) > limits.num_errors * error
        parts.append(_graded(abs(turn) if beyond else 0.0, limits.turned_warn_deg, limits.turned_fail_deg))
    long_pct = 100 * (alignment.focal - 1)
    is_off = abs(alignment.focal - 1) > limits.num_errors * alignment.focal_error
    parts.append(_graded(abs(long_pct) if is_off else 0.0, limits.focal_warn_pct, limits.focal_fail_pct))
    yaw, pitch = alignment.yaw_deg, alignment.pitch_deg
    right, down = alignment.shift_px
    text = (
        f"points of {alignment.lidar} fall {np.hypot(right, down):.1f} px from the edges they belong to: the recorded "
        f"pose is turned {abs(yaw):.2f}° {'left' if yaw > 0 else 'right'} (± {alignment.yaw_error_deg:.2f}) and "
        f"{abs(pitch):.2f}° {'down' if pitch > 0 else 'up'} (± {alignment.pitch_error_deg:.2f})"
    )
    if parts[-1] != "ok":
        text += (
            f"; the recorded focal length is {abs(long_pct):.1f} % too {'long' if long_pct > 0 else 'short'} "
            f"(± {100 * alignment.focal_error:.1f})"
        )
    evidence: dict[str, float | int | str | None] = {
        "yaw_deg": round(yaw, 4),
        "yaw_error_deg": round(alignment.yaw_error_deg, 4),
        "pitch_deg": round(pitch, 4),
        "pitch_error_deg": round(alignment.pitch_error_deg, 4),
        "focal_long_pct": round(long_pct, 2),
        "focal_error_pct": round(100 * alignment.focal_error, 2),
        "right_px": round(right, 2),
        "down_px": round(down, 2),
        "num_frames": alignment.num_frames,
        "num_edges": alignment.num_edges,
    }
    return Finding("alignment", alignment.camera, worst(parts), text, evidence)


def usable(intrinsics: Intrinsics) -> bool:
    """Whether a camera's numbers can project anything."""
    values = (intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy)
    return bool(np.isfinite(values).all() and intrinsics.fx > 0 and intrinsics.fy > 0)


def _views(log: Log, camera: str, looks: Looks) -> list[_View]:
    intrinsics, poses = log.intrinsics.get(camera), log.streams.get(f"pose/{camera.partition('/')[2]}")
    if intrinsics is None or poses is None or not usable(intrinsics):
        return []
    views = []
    for frame in looks.frames:
        near = [sweep for sweep in looks.sweeps if abs(sweep.t_ns - frame.t_ns) <= TOLERANCE_NS]
        if frame.camera != camera or not near or frame.index >= len(poses):
            continue
        sweep = min(near, key=lambda sweep: abs(sweep.t_ns - frame.t_ns))
        pose = poses.read(frame.index)
        recorded = (frame.width, frame.height) == (intrinsics.width, intrinsics.height)
        if isinstance(pose, Pose) and pose.is_valid and recorded and len(sweep.points_N3):
            height, width = frame.grey_HW.shape
            views.append(_View(frame, sweep, pose, intrinsics.resized(width, height), *_picture_edges(frame.grey_HW)))
    return views


def _align(views: list[_View]) -> Alignment | None:
    """Turn the camera until the edges agree best; round by round, since a turn is not quite a shift."""
    yaw = pitch = 0.0
    first = np.zeros((1, 1))
    num_edges = 0
    lens = views[0].intrinsics
    scores = np.zeros((1, 1, 1))
    for turn, reach in enumerate(_REACHES):
        reach_x = max(4, round(reach * np.radians(_REACH_YAW_DEG) * lens.fx))
        reach_y = max(4, round(reach * np.radians(_REACH_PITCH_DEG) * lens.fy))
        maps = [_scores(view, yaw, pitch, reach_x, reach_y) for view in views]
        told = [score for score, num in maps if num >= _FEWEST_EDGES]
        num_edges = sum(num for _, num in maps)
        if len(told) < _FEWEST_FRAMES:
            return None
        scores = np.stack(told)
        x, y = _peak(scores.mean(axis=0))
        yaw, pitch = yaw - np.arctan(x / lens.fx), pitch + np.arctan(y / lens.fy)
        if turn == 0:
            first = scores.mean(axis=0)
    error_x, error_y = _peak_errors(scores)
    focal, focal_error = _focal(views, yaw, pitch)
    shift = (np.tan(yaw) * lens.fx, -np.tan(pitch) * lens.fy)
    scale = views[0].frame.width / lens.width
    return Alignment(
        views[0].frame.camera,
        views[0].sweep.lidar,
        float(np.degrees(yaw)),
        float(np.degrees(pitch)),
        float(np.degrees(error_x / lens.fx)),
        float(np.degrees(error_y / lens.fy)),
        (float(shift[0] * scale), float(shift[1] * scale)),
        focal,
        focal_error,
        len(told),
        num_edges,
        (first - first.min()) / max(float(np.ptp(first)), 1e-12),
    )


def _focal(views: list[_View], yaw: float, pitch: float) -> tuple[float, float]:
    """Of `Alignment`, once the camera is turned as it should be."""
    told = []
    for view in views:
        across, down = _point_edges(view, _turned(view.pose, yaw, pitch))
        if len(across) + len(down) >= _FEWEST_EDGES:
            told.append((view, across, down))
    if len(told) < _FEWEST_FRAMES:
        return 1.0, 1.0
    axis = np.array((views[0].intrinsics.cx, views[0].intrinsics.cy))

    def score(factor: float) -> list[Floats]:
        drawn = ((view, *(axis + factor * (places - axis) for places in edges)) for view, *edges in told)
        return [_agreement(view, across, down, _FOCAL_REACH_PX, _FOCAL_REACH_PX)[0] for view, across, down in drawn]

    return recorded_over_true(score)


def _scores(view: _View, yaw: float, pitch: float, reach_x: int, reach_y: int) -> tuple[Floats, int]:
    return _agreement(view, *_point_edges(view, _turned(view.pose, yaw, pitch)), reach_x, reach_y)


def _agreement(view: _View, across: Floats, down: Floats, reach_x: int, reach_y: int) -> tuple[Floats, int]:
    """Mean strength of the picture's edges under the points' edges, by shift of the points, and how many there are."""
    shape = view.across_HW.shape
    num = int(len(across) + len(down))
    score = np.zeros((2 * reach_y + 1, 2 * reach_x + 1))
    for places, picture in ((across, view.across_HW), (down, view.down_HW)):
        if len(places):
            stamp = _splat(places, shape)
            padded = cv2.copyMakeBorder(
                picture.astype(np.float32), reach_y, reach_y, reach_x, reach_x, cv2.BORDER_CONSTANT, value=0.0
            )
            score += cv2.matchTemplate(padded, stamp, cv2.TM_CCORR)
    return score / max(1, num), num


def _turned(pose: Pose, yaw: float, pitch: float) -> Pose:
    """A recorded pose with its error taken out: turned right by `yaw` and up by `pitch`, about its own axes."""
    w, x, y, z = pose.heading
    half_y, half_x = yaw / 2, pitch / 2  # about +y (down) is to the right, about +x (right) is up
    a, b, c, d = np.cos(half_y) * np.cos(half_x), np.cos(half_y) * np.sin(half_x), np.sin(half_y) * np.cos(half_x), 0.0
    d = -np.sin(half_y) * np.sin(half_x)
    heading = (
        w * a - x * b - y * c - z * d,
        w * b + x * a + y * d - z * c,
        w * c - x * d + y * a + z * b,
        w * d + x * c - y * b + z * a,
    )
    return replace(pose, heading=heading)


def _picture_edges(grey_HW: Bytes) -> tuple[Floats, Floats]:
    """Strength of edges that run down and that run across, made even over the picture, with mean 0."""
    smooth = cv2.GaussianBlur(grey_HW.astype(np.float32), (0, 0), 0.8)
    found = []
    for dx, dy in ((1, 0), (0, 1)):
        edge = np.abs(cv2.Sobel(smooth, cv2.CV_32F, dx, dy, ksize=3))
        around = cv2.GaussianBlur(edge, (0, 0), 12.0) + 4.0
        even = np.minimum(edge / around, 3.0)
        found.append(np.asarray(even - even.mean(), np.float64))
    return found[0], found[1]


def _splat(places_N2: Floats, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A picture with one unit of brightness at each place, shared among the four pixels around it; float32."""
    stamp = np.zeros(shape, np.float32)
    base = np.floor(places_N2).astype(np.int64)
    part = places_N2 - base
    for dx in (0, 1):
        for dy in (0, 1):
            weight = np.abs(1 - dx - part[:, 0]) * np.abs(1 - dy - part[:, 1])
            x, y = base[:, 0] + dx, base[:, 1] + dy
            kept = (x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0])
            np.add.at(stamp, (y[kept], x[kept]), weight[kept])
    return stamp


def _point_edges(view: _View, pose: Pose) -> tuple[Floats, Floats]:
    """Places between neighbouring points that differ: side by side, and one above the other (pixels, N2)."""
    uv_N2, depth_N = project(view.sweep.points_N3, pose, view.intrinsics)
    seen = np.flatnonzero(inside(uv_N2, view.intrinsics))
    if len(seen) < _FEWEST_EDGES:
        return np.zeros((0, 2)), np.zeros((0, 2))
    grid_YX, cell = _grid(uv_N2[seen], depth_N[seen], view.intrinsics)
    places, depth = uv_N2[seen], depth_N[seen]
    classes = view.sweep.class_N[seen] if view.sweep.class_N is not None else np.zeros(len(seen), np.uint8)
    across = _between(grid_YX[:, :-1], grid_YX[:, 1:], places, depth, classes, 2.0 * cell[0])
    down = _between(grid_YX[:-1], grid_YX[1:], places, depth, classes, 2.0 * cell[1])
    return across, down


def _grid(uv_N2: Floats, depth_N: Floats, intrinsics: Intrinsics) -> tuple[Ints, tuple[float, float]]:
    """Which point is nearest in each cell of a grid as fine as the points allow; -1 where there is none."""
    area = max(1.0, float(np.prod(np.ptp(uv_N2, axis=0))))
    side = float(np.sqrt(area * _CELL_POINTS / len(uv_N2)))
    columns, rows = int(np.ceil(intrinsics.width / side)) + 1, int(np.ceil(intrinsics.height / side)) + 1
    x, y = ((uv_N2 + 0.5) / side).astype(np.int64).T
    grid = np.full(rows * columns, -1, np.int64)
    far_first = np.argsort(-depth_N, kind="stable")
    grid[(y * columns + x)[far_first]] = far_first
    return _unhidden(grid.reshape(rows, columns), depth_N), (side, side)


def _unhidden(grid_YX: Ints, depth_N: Floats) -> Ints:
    """The grid without points behind which others lie on both sides: seen past the edge of a near thing."""
    depth = np.where(grid_YX >= 0, depth_N[np.maximum(grid_YX, 0)], np.inf).astype(np.float32)
    # What lies far between near points on opposite sides is seen by the lidar alone, from where it is mounted.
    left, right = np.roll(depth, 1, axis=1), np.roll(depth, -1, axis=1)
    above, below = np.roll(depth, 1, axis=0), np.roll(depth, -1, axis=0)
    hidden = (np.maximum(left, right) * (1 + _BEHIND) < depth) | (np.maximum(above, below) * (1 + _BEHIND) < depth)
    shown: Ints = np.where(hidden, -1, grid_YX)
    return shown


def _between(one: Ints, other: Ints, places: Floats, depth: Floats, classes: Bytes, reach: float) -> Floats:
    """The middle between two neighbours, wherever they differ in class or depth."""
    both: Mask = (one >= 0) & (other >= 0)
    a, b = one[both], other[both]
    near, far = np.minimum(depth[a], depth[b]), np.maximum(depth[a], depth[b])
    differ = (classes[a] != classes[b]) | (far > near * (1 + _BEHIND) + 0.3)
    close = np.abs(places[a] - places[b]).max(axis=1) <= reach
    chosen = differ & close
    middle: Floats = (places[a[chosen]] + places[b[chosen]]) / 2
    return middle


def _peak(score_YX: Floats) -> tuple[float, float]:
    """Where a map of scores is highest, to a fraction of a pixel; (0, 0) is its middle."""
    smooth = np.asarray(cv2.GaussianBlur(score_YX, (0, 0), 0.7), np.float64)
    y, x = np.unravel_index(int(smooth.argmax()), smooth.shape)
    middle_y, middle_x = (np.array(smooth.shape) - 1) / 2
    return x - middle_x + _bend(smooth[y], int(x)), y - middle_y + _bend(smooth[:, x], int(y))


def _bend(line: Floats, at: int) -> float:
    """How far the top of a parabola through a peak and its neighbours lies from it, -0.5 .. 0.5."""
    if not 0 < at < len(line) - 1:
        return 0.0
    left, top, right = line[at - 1 : at + 2]
    bend = left - 2 * top + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _peak_errors(scores_KYX: Floats) -> tuple[float, float]:
    """How much the peak moves when other frames are drawn (bootstrap), pixels; at least a fifth of a pixel's half."""
    rng = np.random.default_rng(0)
    num = len(scores_KYX)
    draws = [_peak(scores_KYX[rng.integers(0, num, num)].mean(axis=0)) for _ in range(_NUM_DRAWS)]
    error_x, error_y = np.std(draws, axis=0)
    return max(float(error_x), 0.1), max(float(error_y), 0.1)
