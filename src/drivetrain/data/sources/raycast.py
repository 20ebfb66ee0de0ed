"""Rays against a ground plane, boxes and ellipsoids: what each ray of a camera or lidar meets first.

A sensor's rays form a grid of rows and columns; each thing is tested only on the part of the grid that can see it,
which is what makes a picture take some tens of milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivetrain.data.arrays import Floats
from drivetrain.data.log import Intrinsics

NOTHING, GROUND = -2, -1
"""What a ray met when it met no thing: the sky, or the plane z = 0."""

_TINY = 1e-9
_BEHIND_M = 0.1
_SMALLEST = 0.002  # things that look smaller than this (radius over distance; half a pixel) are left out
Window = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class Things:
    """Boxes and ellipsoids, K of them.

    Attributes:
      centre_K3: world metres.
      half_K3: half of length, width and height, metres.
      yaw_K: turn about +z, radians.
      round_K: True for an ellipsoid, False for a box.
    """

    centre_K3: Floats
    half_K3: Floats
    yaw_K: Floats
    round_K: NDArray[np.bool_]

    def corners(self) -> Floats:
        """The eight corners of each thing's box, K x 8 x 3, world."""
        signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, 8).T
        x, y, z = np.moveaxis(signs * self.half_K3[:, None, :], -1, 0)
        c, s = np.cos(self.yaw_K)[:, None], np.sin(self.yaw_K)[:, None]
        return np.stack([c * x - s * y, s * x + c * y, z], axis=-1) + self.centre_K3[:, None, :]


@dataclass(frozen=True, eq=False)
class Rays:
    """A sensor's rays.

    Attributes:
      origin: x, y, z in world metres.
      direction_HW3: world; its length is what one unit of `Hits.depth_HW` means.
      windows: corners of boxes (K x 8 x 3, world) -> for each the parts of the grid that may see it.
    """

    origin: Floats
    direction_HW3: Floats
    windows: Callable[[Floats], list[list[Window]]]


@dataclass(frozen=True, eq=False)
class Hits:
    """What each ray met first.

    Attributes:
      depth_HW: in lengths of the ray's direction; infinite where it met nothing.
      thing_HW: number of the thing, or GROUND, or NOTHING.
      normal_HW3: of the surface, unit, world.
      local_HW3: where on the thing, its own axes, -1 .. 1.
    """

    depth_HW: Floats
    thing_HW: NDArray[np.int32]
    normal_HW3: Floats
    local_HW3: Floats


def cast(rays: Rays, things: Things, *, far: float) -> Hits:
    """Cast all rays against the ground and against the things within `far` metres that are large enough to be seen."""
    shape = rays.direction_HW3.shape[:2]
    down_HW = np.minimum(rays.direction_HW3[..., 2], -_TINY)
    looks_down = rays.direction_HW3[..., 2] < -_TINY
    hits = Hits(
        depth_HW=np.where(looks_down, -rays.origin[2] / down_HW, np.inf),
        thing_HW=np.where(looks_down, GROUND, NOTHING).astype(np.int32),
        normal_HW3=np.broadcast_to([0.0, 0.0, 1.0], (*shape, 3)).copy(),
        local_HW3=np.zeros((*shape, 3)),
    )
    reach_K = np.linalg.norm(things.half_K3, axis=1)
    away_K = np.linalg.norm(things.centre_K3 - rays.origin, axis=1) - reach_K
    windows = rays.windows(things.corners())
    per_unit = 1 / np.linalg.norm(rays.direction_HW3, axis=-1).max()  # least depth of a thing one metre away
    for k in np.argsort(away_K):  # near to far, so that most of what is hidden is never tested
        if away_K[k] < far and reach_K[k] > _SMALLEST * away_K[k]:
            for window in windows[k]:
                if hits.depth_HW[window].size and hits.depth_HW[window].max() > away_K[k] * per_unit:
                    _meet(rays, things, int(k), window, hits)
    return hits


def camera_rays(intrinsics: Intrinsics, position: Floats, rotation: Floats) -> Rays:
    """Rays through pixel centres; a hit's depth is metres along the optical axis."""
    u, v = np.meshgrid(np.arange(intrinsics.width), np.arange(intrinsics.height))
    x, y = (u - intrinsics.cx) / intrinsics.fx, (v - intrinsics.cy) / intrinsics.fy
    direction_HW3 = np.stack([x, y, np.ones_like(x)], axis=-1) @ rotation.T

    def windows(corners_K83: Floats) -> list[list[Window]]:
        x, y, depth = np.moveaxis((corners_K83 - position) @ rotation, -1, 0)
        safe = np.maximum(depth, _TINY)
        columns, rows = x / safe * intrinsics.fx + intrinsics.cx, y / safe * intrinsics.fy + intrinsics.cy
        left, right = _span(columns, intrinsics.width)
        top, bottom = _span(rows, intrinsics.height)
        found: list[list[Window]] = [
            [(slice(*edges[:2]), slice(*edges[2:]))] for edges in zip(top, bottom, left, right, strict=True)
        ]
        # What reaches behind the camera is perhaps all over the image.
        for k in np.flatnonzero((depth < _BEHIND_M).any(axis=1)):
            found[k] = [] if (depth[k] < _BEHIND_M).all() else [(slice(None), slice(None))]
        return found

    return Rays(position, direction_HW3, windows)


def lidar_rays(elevations: Floats, num_columns: int, position: Floats, yaw: float) -> Rays:
    """One turn of a spinning lidar: a row per beam, a column per azimuth; a hit's depth is metres along the ray."""
    azimuths = 2 * np.pi * np.arange(num_columns) / num_columns  # from the vehicle's forward axis, to the left
    flat = np.stack([np.cos(azimuths + yaw), np.sin(azimuths + yaw)], axis=-1)
    direction_HW3 = np.concatenate(
        [
            np.cos(elevations)[:, None, None] * flat[None],
            np.broadcast_to(np.sin(elevations)[:, None, None], (len(elevations), num_columns, 1)),
        ],
        axis=-1,
    )

    def windows(corners_K83: Floats) -> list[list[Window]]:
        away = corners_K83 - position
        seen = np.arctan2(away[..., 1], away[..., 0]) - yaw
        middle = np.arctan2(np.sin(seen).mean(axis=1), np.cos(seen).mean(axis=1))
        spread = (seen - middle[:, None] + np.pi) % (2 * np.pi) - np.pi
        first = np.floor((middle + spread.min(axis=1)) / (2 * np.pi) * num_columns).astype(int)
        last = np.floor((middle + spread.max(axis=1)) / (2 * np.pi) * num_columns).astype(int) + 2
        surrounds = np.ptp(spread, axis=1) > np.pi
        return [
            [(slice(None), slice(None))] if all_round else [(slice(None), part) for part in _wrapped(a, b, num_columns)]
            for all_round, a, b in zip(surrounds.tolist(), first.tolist(), last.tolist(), strict=True)
        ]

    return Rays(position, direction_HW3, windows)


def _meet(rays: Rays, things: Things, k: int, window: Window, hits: Hits) -> None:
    """Enter thing `k` into `hits` wherever it is nearer than what is there."""
    turn, half = _turn(things.yaw_K[k]), things.half_K3[k]
    origin = (rays.origin - things.centre_K3[k]) @ turn / half
    toward = rays.direction_HW3[window] @ (turn / half)
    toward[np.abs(toward) < _TINY] = _TINY
    depth = _ellipsoid_depth(origin, toward) if things.round_K[k] else _box_depth(origin, toward)
    nearer = depth < hits.depth_HW[window]
    if not nearer.any():
        return
    local = origin + depth[nearer][:, None] * toward[nearer]
    normal = (local if things.round_K[k] else _face(local)) / half
    normal = normal @ turn.T
    hits.depth_HW[window][nearer] = depth[nearer]
    hits.thing_HW[window][nearer] = k
    hits.local_HW3[window][nearer] = local
    hits.normal_HW3[window][nearer] = normal / np.linalg.norm(normal, axis=-1, keepdims=True)


def _box_depth(origin: Floats, toward: Floats) -> Floats:
    """Where rays enter the cube -1 .. 1; infinite where they miss it or begin inside."""
    one, other = (-1 - origin) / toward, (1 - origin) / toward
    near, far = np.minimum(one, other), np.maximum(one, other)
    # Spelled out: a reduction over an axis of three is several times slower.
    enter = np.maximum(np.maximum(near[..., 0], near[..., 1]), near[..., 2])
    leave = np.minimum(np.minimum(far[..., 0], far[..., 1]), far[..., 2])
    return np.where((enter > 0) & (enter <= leave), enter, np.inf)


def _ellipsoid_depth(origin: Floats, toward: Floats) -> Floats:
    """Where rays enter the unit sphere; infinite where they miss it or begin inside."""
    a, b, c = (toward * toward).sum(axis=-1), toward @ origin, origin @ origin - 1
    inner = b * b - a * c
    enter = (-b - np.sqrt(np.maximum(inner, 0))) / a
    return np.where((inner > 0) & (enter > 0), enter, np.inf)


def _face(local: Floats) -> Floats:
    """The outward axis of the cube's face that each point lies on."""
    axis = np.abs(local).argmax(axis=-1)
    normal = np.zeros_like(local)
    rows = np.arange(len(local))
    normal[rows, axis] = np.sign(local[rows, axis])
    return normal


def _turn(yaw: float) -> Floats:
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _span(values_K8: Floats, size: int) -> tuple[list[int], list[int]]:
    """First and past-the-last pixel that each box may cover."""
    first = np.clip(np.floor(values_K8.min(axis=1)), 0, size).astype(int)
    last = np.clip(np.ceil(values_K8.max(axis=1)) + 1, 0, size).astype(int)
    return first.tolist(), last.tolist()


def _wrapped(first: int, last: int, size: int) -> Iterator[slice]:
    first, last = first % size, first % size + (last - first)
    yield slice(first, min(last, size))
    if last > size:
        yield slice(0, last - size)
