"""The colours of what a camera's rays met: sun, shadow under cars, texture, windows, haze with distance, sky."""

from __future__ import annotations

import cv2
import numpy as np

from drivetrain.data.arrays import Bytes, Floats
from drivetrain.data.sources.raycast import GROUND, NOTHING, Hits, Rays, Things
from drivetrain.data.sources.scene import CLASS_NAMES, Scene, ground_class, is_yellow

_SUN = np.array([-0.35, 0.45, 0.82]) / np.linalg.norm([-0.35, 0.45, 0.82])
_HAZE_RGB = np.array([196.0, 206.0, 216.0])
_ZENITH_RGB = np.array([92.0, 140.0, 205.0])
_HAZE_M = 170.0
_GROUND_RGB = {
    "Road": (92, 93, 97),
    "Lane Line Marking": (222, 222, 216),
    "Sidewalk": (152, 148, 142),
    "Vegetation": (96, 124, 62),
    "Ground": (128, 116, 92),
}
_GROUND_TABLE = np.zeros((256, 3))
for _number, _name in CLASS_NAMES.items():
    _GROUND_TABLE[_number] = _GROUND_RGB.get(_name, (0, 0, 0))


def classes_of(rays: Rays, hits: Hits, scene: Scene) -> Bytes:
    """Source class of what each ray met, HW; 0 for the sky."""
    found = np.zeros(hits.thing_HW.shape, np.uint8)
    on_thing, on_ground = hits.thing_HW >= 0, hits.thing_HW == GROUND
    found[on_thing] = scene.class_K[hits.thing_HW[on_thing]]
    where = rays.origin + hits.depth_HW[on_ground][:, None] * rays.direction_HW3[on_ground]
    found[on_ground] = ground_class(where[:, 0], where[:, 1])
    return found


def paint(rays: Rays, hits: Hits, scene: Scene, things: Things, rng: np.random.Generator) -> Bytes:
    """The picture, RGB, HW3; `rng` is the sensor's noise."""
    solid = hits.thing_HW != NOTHING
    colour_HW3 = _sky(rays)
    where = rays.origin + hits.depth_HW[solid][:, None] * rays.direction_HW3[solid]
    depth = hits.depth_HW[solid][:, None]
    base = _surface(rays, hits, scene, where)
    lit = np.clip(hits.normal_HW3[solid] @ _SUN, 0, 1)[:, None] * (1 - 0.6 * _shadow(hits, things, where)[:, None])
    haze = 1 - np.exp(-depth / _HAZE_M)
    colour_HW3[solid] = base * (0.55 + 0.55 * lit) * (1 - haze) + _HAZE_RGB * haze
    noisy = cv2.GaussianBlur(colour_HW3, (0, 0), 0.6) + rng.normal(0, 2.0, colour_HW3.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _sky(rays: Rays) -> Floats:
    direction = rays.direction_HW3 / np.linalg.norm(rays.direction_HW3, axis=-1, keepdims=True)
    up = np.clip(direction[..., 2:], 0.0, 1.0)
    clouds = 0.5 + 0.5 * np.sin(9 * direction[..., 1:2] + 4 * np.sin(14 * up)) * np.sin(
        23 * up + 5 * direction[..., 1:2]
    )
    high = np.clip(2.2 * up, 0, 1)
    sky = _HAZE_RGB * (1 - high) + _ZENITH_RGB * high
    colour: Floats = sky + 32 * clouds * np.clip(6 * up, 0, 1)
    return colour


def _surface(rays: Rays, hits: Hits, scene: Scene, where: Floats) -> Floats:
    """Colour of each solid ray's surface before light, with texture that fades where it would flicker."""
    solid = hits.thing_HW != NOTHING
    thing, local = hits.thing_HW[solid], hits.local_HW3[solid]
    number = classes_of(rays, hits, scene)[solid]
    base = _GROUND_TABLE[number]
    base[(thing == GROUND) & (number == _number_of("Lane Line Marking")) & is_yellow(where[:, 0], where[:, 1])] = (
        214,
        172,
        60,
    )
    on_thing = thing >= 0
    base[on_thing] = np.array(scene.colour)[thing[on_thing]]
    walls = number == _number_of("Building")
    base[walls] = _windows(base[walls], where[walls], local[walls])
    joints = (number == _number_of("Sidewalk")) & (where[:, 0] % 1.5 < 0.06)
    base[joints] *= 0.78
    leafy = (number == _number_of("Vegetation")) | (number == _number_of("Ground"))
    rough = np.where(leafy, 0.34, np.where(number == _number_of("Road"), 0.16, 0.08))
    rough = np.where(number == _number_of("Car"), 0.02, rough) * np.exp(-hits.depth_HW[solid] / 45)
    blotches = (
        0.06 * np.sin(0.9 * where[:, 0] + 1.7 * np.sin(0.6 * where[:, 1])) * np.sin(1.3 * where[:, 1] + where[:, 2])
    )
    grain = rough * (_grain(where, 11.0) - 0.5) + 0.6 * rough * (_grain(where, 3.0) - 0.5)
    textured: Floats = base * (1 + grain + blotches)[:, None]
    return textured


def _windows(base: Floats, where: Floats, local: Floats) -> Floats:
    """Rows of windows on walls, a darker ground floor, a cornice."""
    along = np.where(np.abs(local[:, 1]) > 0.999, where[:, 0], where[:, 1])
    height = where[:, 2]
    pane = (along % 2.6 > 0.8) & (along % 2.6 < 2.0) & (height % 3.0 > 1.0) & (height % 3.0 < 2.5) & (local[:, 2] < 0.9)
    lively = _grain(np.stack([np.floor(along / 2.6), np.floor(height / 3.0), np.zeros_like(along)], 1), 1.0)
    glass = np.array([58.0, 72.0, 88.0]) + 70 * lively[:, None] ** 3
    shaded = base * np.where(height < 0.7, 0.72, np.where(local[:, 2] > 0.93, 1.15, 1.0))[:, None]
    return np.where(pane[:, None], glass, shaded)


def _shadow(hits: Hits, things: Things, where: Floats) -> Floats:
    """1 on the ground where a car or a walker stands before the sun, roughly: its box, slid away from the sun."""
    flat = where[:, 2] < 0.2
    x, y = where[flat, 0], where[flat, 1]
    dark = np.zeros(len(x), np.bool_)
    low = (things.centre_K3[:, 2] < 1.2) & (things.half_K3[:, 2] > 0.32) & (things.half_K3[:, 0] < 4)
    for k in np.intersect1d(np.flatnonzero(low), hits.thing_HW):
        slide = -_SUN[:2] / _SUN[2] * things.centre_K3[k, 2] * 0.7
        (at_x, at_y), (reach_x, reach_y) = things.centre_K3[k, :2] + slide, things.half_K3[k, :2] + 0.25
        dark |= (np.abs(x - at_x) < reach_x) & (np.abs(y - at_y) < reach_y)
    shade = np.zeros(len(where))
    shade[flat] = dark
    return shade


def _grain(where: Floats, per_m: float) -> Floats:
    """White noise in 0 .. 1, constant in cells of the world, so that it stays on the surface as the camera moves."""
    cell = np.floor(where * per_m).astype(np.int64).astype(np.uint32)
    mixed = cell[:, 0] * np.uint32(374761393) + cell[:, 1] * np.uint32(668265263) + cell[:, 2] * np.uint32(2246822519)
    mixed = (mixed ^ (mixed >> np.uint32(13))) * np.uint32(1274126177)
    noise: Floats = (mixed ^ (mixed >> np.uint32(16))).astype(np.float64) / 2**32
    return noise


def _number_of(name: str) -> int:
    return next(number for number, known in CLASS_NAMES.items() if known == name)
