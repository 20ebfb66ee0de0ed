"""Turns as quaternions w, x, y, z: what poses are made of."""

from __future__ import annotations

import math

import numpy as np

from drivetrain.data.arrays import Floats

Quaternion = tuple[float, float, float, float]


def about_z(angle_rad: float) -> Quaternion:
    """A turn about the third axis, from the first axis towards the second."""
    return math.cos(angle_rad / 2), 0.0, 0.0, math.sin(angle_rad / 2)


def times(p: Quaternion, q: Quaternion) -> Quaternion:
    """The turn q, then the turn p (Hamilton's product)."""
    a, b, c, d = p
    w, x, y, z = q
    return (
        a * w - b * x - c * y - d * z,
        a * x + b * w + c * z - d * y,
        a * y - b * z + c * w + d * x,
        a * z + b * y - c * x + d * w,
    )


def turn_2x2(angle_rad: float) -> Floats:
    """The matrix that turns a plane's first axis towards its second."""
    cosine, sine = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[cosine, -sine], [sine, cosine]])


def rotation_3x3(angle_rad: float) -> Floats:
    """The matrix of `about_z`."""
    matrix = np.eye(3)
    matrix[:2, :2] = turn_2x2(angle_rad)
    return matrix
