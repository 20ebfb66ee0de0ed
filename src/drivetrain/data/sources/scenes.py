"""Numbers, boxes and lanes in decoded messages; boxes and lanes as Drivetrain writes them into Foxglove's scenes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from drivetrain.data.log import Box, Lane

Decoded = Mapping[str, Any]


def number(value: Any) -> float:
    """A number; JSON has no NaN and writes null."""
    return math.nan if value is None else float(value)


def vector(value: Any) -> tuple[float, float, float]:
    """x, y and z."""
    return number(value["x"]), number(value["y"]), number(value["z"])


def _entities(decoded: Decoded) -> list[tuple[Decoded, dict[str, str]]]:
    """Entities of a foxglove.SceneUpdate, each with its metadata."""
    return [(entity, {pair["key"]: pair["value"] for pair in entity["metadata"]}) for entity in decoded["entities"]]


def boxes(decoded: Decoded) -> tuple[Box, ...]:
    """What Drivetrain wrote as cubes of a scene."""
    found = []
    for entity, said in _entities(decoded):
        cube = entity["cubes"][0]
        velocity = tuple(float(part) for part in said["velocity"].split()) if "velocity" in said else None
        found.append(
            Box(
                label=said["label"],
                centre=vector(cube["pose"]["position"]),
                size=vector(cube["size"]),
                yaw=float(said["yaw"]),
                track=said.get("track", ""),
                velocity=(velocity[0], velocity[1]) if velocity else None,
            )
        )
    return tuple(found)


def lanes(decoded: Decoded) -> tuple[Lane, ...]:
    """What Drivetrain wrote as lines of a scene."""
    found = []
    for entity, said in _entities(decoded):
        left, right = (
            np.array([(number(p["x"]), number(p["y"])) for p in line["points"]], np.float64).reshape(-1, 2)
            for line in entity["lines"][:2]
        )
        found.append(
            Lane(
                name=entity["id"],
                left_N2=left,
                right_N2=right,
                successors=msgspec.json.decode(said["successors"], type=tuple[str, ...]),
                left=said["left"],
                right=said["right"],
                speed_limit_m_per_s=float(said["speed_limit_m_per_s"]) if "speed_limit_m_per_s" in said else None,
            )
        )
    return tuple(found)
