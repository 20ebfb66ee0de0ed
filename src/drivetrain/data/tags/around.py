"""What is around a vehicle: how many of what, how crowded, how bright."""

from __future__ import annotations

import re
from collections.abc import Iterable

import cv2

from drivetrain.data.arrays import Bytes
from drivetrain.data.log import Box

_PEDESTRIAN = frozenset({"pedestrian", "pedestrians", "person", "adult", "child"})
_VEHICLE = frozenset(
    {"car", "truck", "bus", "van", "vehicle", "trailer", "train", "tram", "trolley", "taxi", "pickup", "semi"}
)
_CYCLE = frozenset({"bicycle", "bicyclist", "cyclist", "motorcycle", "motorcyclist", "bike", "scooter", "pedicab"})

NEAR_M = 50.0
"""Boxes farther away are not counted (ours: about where lidar still has ten points on a car)."""

DENSITY = ((0, "empty"), (5, "light"), (15, "medium"))
"""At most so many vehicles and pedestrians near -> the word for it; more is `heavy` (ours)."""

DARK_BELOW, DIM_BELOW = 50.0, 90.0
"""Mean luma (ITU-R BT.601, 0 to 255) below which an image is dark or dim (ours; a camera that exposes long at night
looks brighter than the scene)."""


def is_vehicle(label: str) -> bool:
    """Whether a source's word for a thing means a vehicle with more than two wheels."""
    words = _words(label)
    return bool(words & _VEHICLE) and not words & _CYCLE


def is_pedestrian(label: str) -> bool:
    """Whether a source's word for a thing means somebody on foot."""
    return bool(_words(label) & _PEDESTRIAN) and not _words(label) & _CYCLE


def count_boxes(boxes: Iterable[Box], at: tuple[float, float]) -> tuple[int, int]:
    """Vehicles and pedestrians whose centre is within `NEAR_M` of a place (x, y in the boxes' frame, metres)."""
    near = [box for box in boxes if (box.centre[0] - at[0]) ** 2 + (box.centre[1] - at[1]) ** 2 <= NEAR_M**2]
    return sum(is_vehicle(box.label) for box in near), sum(is_pedestrian(box.label) for box in near)


def density(num_near: int) -> str:
    """The word for so many vehicles and pedestrians near: empty, light, medium or heavy."""
    return next((word for most, word in DENSITY if num_near <= most), "heavy")


def brightness(image_HW3: Bytes) -> float:
    """Mean luma of an RGB image, 0 to 255 (ITU-R BT.601)."""
    red, green, blue, _ = cv2.mean(image_HW3)
    return round(0.299 * red + 0.587 * green + 0.114 * blue, 2)


def light(mean_luma: float) -> str:
    """The word for a brightness: dark, dim or bright."""
    return "dark" if mean_luma < DARK_BELOW else "dim" if mean_luma < DIM_BELOW else "bright"


def _words(label: str) -> set[str]:
    return set(re.split(r"[^a-z]+", label.lower()))
