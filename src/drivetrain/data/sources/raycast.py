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

    def corners(self, k: int) -> Floats:
        """The eight corners of a thing's box, 8 x 3, world."""
        signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, 8).T
        found: Floats = signs * self.half_K3[k] @ _turn(self.yaw_K[k]).T + self.centre_K3[k]
        return found


@dataclass(frozen=True, eq=False)
class Rays:
    """A sensor's rays.

    Attributes:
      origin: x, y, z in world metres.
      direction_HW3: world; its length is what one unit of `Hits.depth_HW` means.
      windows: corners of a box (8 x 3, world) -> the parts of the grid that may see it.
    """

    origin: Floats
    direction_HW3: Floats
    windows: Callable[[Floats], list[Window]]


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
    """Cast all rays; nothing further than `far` (metres from the origin, for things; for the ground, any) is met."""
    shape = rays.direction_HW3.shape[:2]
    down_HW = np.minimum(rays.direction_HW3[..., 2], -_TINY)
    looks_down = rays.direction_HW3[..., 2] < -_TINY
    hits = Hits(
        depth_HW=np.where(looks_down, -rays.origin[2] / down_HW, np.inf),
        thing_HW=np.where(looks_down, GROUND, NOTHING).astype(np.int32),
        normal_HW3=np.broadcast_to([0.0, 0.0, 1.0], (*shape, 3)).copy(),
        local_HW3=np.zeros((*shape, 3)),
    )
    away_K = np.linalg.norm(things.centre_K3 - rays.origin, axis=1) - np.linalg.norm(things.half_K3, axis=1)
    for k in np.flatnonzero(away_K < far):
        for window in rays.windows(things.corners(int(k))):
            _meet(rays, things, int(k), window, hits)
    return hits


def camera_rays(intrinsics: Intrinsics, position: Floats, rotation: Floats) -> Rays:
    """Rays through pixel centres; a hit's depth is metres along the optical axis."""
    u, v = np.meshgrid(np.arange(intrinsics.width), np.arange(intrinsics.height))
    x, y = (u - intrinsics.cx) / intrinsics.fx, (v - intrinsics.cy) / intrinsics.fy
    direction_HW3 = np.stack([x, y, np.ones_like(x)], axis=-1) @ rotation.T

    def windows(corners: Floats) -> list[Window]:
        local = (corners - position) @ rotation
        if (local[:, 2] < 0.1).all():
            return []
        if (local[:, 2] < 0.1).any():  # reaches behind the camera: it may be anywhere in the image
            return [(slice(None), slice(None))]
        columns = local[:, 0] / local[:, 2] * intrinsics.fx + intrinsics.cx
        rows = local[:, 1] / local[:, 2] * intrinsics.fy + intrinsics.cy
        return [(_span(rows, intrinsics.height), _span(columns, intrinsics.width))]

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

    def windows(corners: Floats) -> list[Window]:
        away = corners - position
        seen = np.arctan2(away[:, 1], away[:, 0]) - yaw
        middle = np.arctan2(np.sin(seen).mean(), np.cos(seen).mean())
        spread = (seen - middle + np.pi) % (2 * np.pi) - np.pi
        if np.ptp(spread) > np.pi:  # it surrounds the lidar
            return [(slice(None), slice(None))]
        first, last = (
            int(np.floor((middle + edge) / (2 * np.pi) * num_columns)) for edge in (spread.min(), spread.max())
        )
        return [(slice(None), part) for part in _wrapped(first, last + 2, num_columns)]

    return Rays(position, direction_HW3, windows)


def _meet(rays: Rays, things: Things, k: int, window: Window, hits: Hits) -> None:
    """Enter thing `k` into `hits` wherever it is nearer than what is there."""
    direction = rays.direction_HW3[window]
    if not direction.size:
        return
    turn, half = _turn(things.yaw_K[k]), things.half_K3[k]
    origin = (rays.origin - things.centre_K3[k]) @ turn / half
    toward = direction @ turn / half
    toward = np.where(np.abs(toward) < _TINY, _TINY, toward)
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
    enter = np.minimum(one, other).max(axis=-1)
    leave = np.maximum(one, other).min(axis=-1)
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


def _span(values: Floats, size: int) -> slice:
    first, last = int(np.floor(values.min())), int(np.ceil(values.max())) + 1
    return slice(min(max(first, 0), size), min(max(last, 0), size))


def _wrapped(first: int, last: int, size: int) -> Iterator[slice]:
    first, last = first % size, first % size + (last - first)
    yield slice(first, min(last, size))
    if last > size:
        yield slice(0, last - size)
