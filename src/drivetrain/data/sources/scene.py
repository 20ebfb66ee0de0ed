"""What is where on the generated road, at any moment: x forward along the road, y to the left, z up, metres.

y  -12  building | -9 grass | -6 sidewalk | parking -3.5 | our lane | 0 | oncoming | 3.5 parking | and so on, mirrored
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drivetrain.data.arrays import Bytes, Floats
from drivetrain.data.log import Box
from drivetrain.data.sources.raycast import Things

CLASS_NAMES = {
    11: "Road",
    12: "Lane Line Marking",
    13: "Sidewalk",
    14: "Vegetation",
    15: "Ground",
    21: "Car",
    22: "Pedestrian",
    31: "Building",
    32: "Pole",
    33: "Signs",
}
"""Source classes; numbers unlike the groups', so that nobody merges by number."""

_NUMBER = {name: number for number, name in CLASS_NAMES.items()}
SPEED_M_PER_S = 8.0
OUR_LANE_Y_M = -1.75
_BEYOND_M = 110.0  # how far the scene goes on past the end of the drive
_CROSSING_EVERY_M = 46.0
_CROSSING_AT_M = 30.0
_KERB_M = 0.15
_CAR_COLOURS = [
    (190, 30, 35),
    (35, 60, 140),
    (225, 225, 225),
    (60, 62, 66),
    (150, 155, 160),
    (25, 25, 28),
    (60, 110, 75),
]
_CLOTHES = [(180, 50, 50), (40, 70, 140), (220, 180, 60), (60, 120, 70), (120, 60, 130), (230, 230, 225), (45, 45, 50)]
_WALLS = [(168, 120, 96), (190, 176, 150), (140, 146, 156), (204, 190, 172), (122, 84, 72), (176, 164, 160)]


@dataclass(eq=False)
class Scene:
    """Everything that stands or moves; filled by `make_scene`, then only read.

    Rows are parts: a car has a body, a cabin and wheels. `at` gives where they are at a moment.
    """

    start: list[tuple[float, float, float]] = field(default_factory=list)
    half: list[tuple[float, float, float]] = field(default_factory=list)
    speed_x: list[float] = field(default_factory=list)
    speed_y: list[float] = field(default_factory=list)
    is_round: list[bool] = field(default_factory=list)
    class_name: list[str] = field(default_factory=list)
    colour: list[tuple[float, float, float]] = field(default_factory=list)
    boxed: list[tuple[int, str, tuple[float, float, float]]] = field(default_factory=list)  # part, label, whole size

    def add(
        self,
        class_name: str,
        centre: tuple[float, float, float],
        size: tuple[float, float, float],
        colour: tuple[float, float, float],
        *,
        speed: tuple[float, float] = (0.0, 0.0),
        is_round: bool = False,
    ) -> None:
        """Put one part into the scene; size is whole length, width, height."""
        self.start.append(centre)
        self.half.append((size[0] / 2, size[1] / 2, size[2] / 2))
        self.speed_x.append(speed[0])
        self.speed_y.append(speed[1])
        self.is_round.append(is_round)
        self.class_name.append(class_name)
        self.colour.append(colour)

    def at(self, t_s: float) -> Things:
        """All parts at a moment, seconds since the drive began."""
        centre_K3 = np.array(self.start)
        centre_K3[:, 0] += np.array(self.speed_x) * t_s
        centre_K3[:, 1] += np.array(self.speed_y) * t_s
        return Things(centre_K3, np.array(self.half), np.zeros(len(self.start)), np.array(self.is_round))

    def boxes_at(self, t_s: float) -> tuple[Box, ...]:
        """Cars and pedestrians as whole boxes, each with its track and velocity."""
        things = self.at(t_s)
        found = []
        for part, label, size in self.boxed:
            x, y, _ = things.centre_K3[part]
            velocity = (float(self.speed_x[part]), float(self.speed_y[part]))
            centre = (float(x), float(y), size[2] / 2)
            found.append(Box(label, centre, size, 0.0, track=f"{label.lower()}-{part}", velocity=velocity))
        return tuple(found)

    @property
    def class_K(self) -> Bytes:
        """Source class of each part."""
        return np.array([_NUMBER[name] for name in self.class_name], np.uint8)


def make_scene(rng: np.random.Generator, duration_s: float) -> Scene:
    """A street for a drive of this length; the same generator state gives the same street."""
    scene = Scene()
    end = SPEED_M_PER_S * duration_s + _BEYOND_M
    for side in (-1.0, 1.0):
        scene.add("Sidewalk", (end / 2 - 20, side * 7.5, _KERB_M / 2), (end + 80, 3.0, _KERB_M), (152, 148, 142))
        _add_buildings(scene, rng, side, end)
        _add_trees_and_poles(scene, rng, side, end)
        _add_parked(scene, rng, side, end)
        _add_walkers(scene, rng, side, end)
    _add_traffic(scene, rng, end, duration_s)
    return scene


def ground_class(x: Floats, y: Floats) -> Bytes:
    """Source class of the plane z = 0 at world points."""
    side = np.abs(y)
    dash = (side > 3.4) & (side < 3.6) & (x % 6.0 < 3.5)
    centre = ((side > 0.06) & (side < 0.22)) & ~_near_crossing(x, 5.0)
    bars = _near_crossing(x, 1.6) & (side < 5.6) & (y % 1.2 < 0.6)
    along = (x - _CROSSING_AT_M) % _CROSSING_EVERY_M
    stop = (along > _CROSSING_EVERY_M - 3.4) & (along < _CROSSING_EVERY_M - 2.9) & (y < 0) & (y > -3.4)
    found = np.full(x.shape, _NUMBER["Road"], np.uint8)
    found[dash | centre | bars | stop] = _NUMBER["Lane Line Marking"]
    found[side > 6.0] = _NUMBER["Sidewalk"]
    found[side > 9.0] = _NUMBER["Vegetation"]
    found[side > 12.5] = _NUMBER["Ground"]
    return found


def is_yellow(x: Floats, y: Floats) -> NDArray[np.bool_]:
    """Whether a lane mark at these points is of the yellow centre line."""
    mask: NDArray[np.bool_] = (np.abs(y) < 0.3) & ~_near_crossing(x, 5.0)
    return mask


def _near_crossing(x: Floats, reach_m: float) -> NDArray[np.bool_]:
    away = (x - _CROSSING_AT_M + _CROSSING_EVERY_M / 2) % _CROSSING_EVERY_M - _CROSSING_EVERY_M / 2
    mask: NDArray[np.bool_] = np.abs(away) < reach_m
    return mask


def _tint(rng: np.random.Generator, colour: tuple[float, float, float]) -> tuple[float, float, float]:
    r, g, b = np.clip(np.array(colour) * rng.uniform(0.85, 1.12) + rng.uniform(-8, 8, 3), 5, 250)
    return float(r), float(g), float(b)


def _pick(rng: np.random.Generator, colours: list[tuple[int, int, int]]) -> tuple[float, float, float]:
    return _tint(rng, colours[int(rng.integers(len(colours)))])


def _add_buildings(scene: Scene, rng: np.random.Generator, side: float, end: float) -> None:
    x = -30.0
    while x < end:
        width, height, back = rng.uniform(9, 20), rng.uniform(5.5, 15), rng.uniform(0, 2.5)
        centre = (x + width / 2, side * (17.5 + back), height / 2)
        scene.add("Building", centre, (width, 10.0, height), _pick(rng, _WALLS))
        x += width + (rng.uniform(2, 6) if rng.random() < 0.4 else 0.0)


def _add_trees_and_poles(scene: Scene, rng: np.random.Generator, side: float, end: float) -> None:
    for x in np.arange(-10.0, end, 12.0):
        at, y, size = x + rng.uniform(-3, 3), side * (9.9 + rng.uniform(0, 1)), rng.uniform(2.4, 3.8)
        scene.add("Vegetation", (at, y, 1.2), (0.3, 0.3, 2.4), (92, 70, 50))
        green = _tint(rng, (74, 112, 52))
        scene.add("Vegetation", (at, y, 2.2 + size / 2), (size, size, size * 1.15), green, is_round=True)
        scene.add("Vegetation", (at + 2.5, y, 0.45), (2.6, 0.9, 0.9), _tint(rng, (66, 104, 50)), is_round=True)
    for x in np.arange(rng.uniform(0, 14), end, 22.0):
        scene.add("Pole", (x, side * 6.35, 2.9), (0.16, 0.16, 5.8), (96, 98, 102))
        if rng.random() < 0.7:
            scene.add(
                "Signs", (x - 0.12, side * 6.35, 2.5), (0.06, 0.75, 0.75), _pick(rng, [(200, 40, 40), (235, 235, 235)])
            )


def _add_car(
    scene: Scene, rng: np.random.Generator, x: float, y: float, speed_x: float, *, heading: float = 1.0
) -> None:
    length, height = rng.uniform(4.1, 4.8), rng.uniform(1.4, 1.75)
    colour, drive = _pick(rng, _CAR_COLOURS), (speed_x, 0.0)
    scene.boxed.append((len(scene.start), "Car", (length, 1.8, height)))
    scene.add("Car", (x, y, 0.62), (length, 1.8, 0.66), colour, speed=drive)
    top = height - 0.95
    glass = (42.0, 50.0, 60.0)
    scene.add("Car", (x - heading * 0.25, y, 0.95 + top / 2), (length * 0.55, 1.58, top), glass, speed=drive)
    scene.add("Car", (x - heading * 0.25, y, height), (length * 0.5, 1.5, 0.06), colour, speed=drive)
    for offset in (-0.31, 0.31):
        scene.add("Car", (x + offset * length, y, 0.31), (0.62, 1.84, 0.62), (22, 22, 24), speed=drive)
    for end, lamp in ((-heading, (205, 30, 28)), (heading, (240, 236, 205))):
        for left in (-0.68, 0.68):
            centre = (x + end * (length / 2 + 0.01), y + left, 0.74)
            scene.add("Car", centre, (0.05, 0.34, 0.16), lamp, speed=drive)


def _add_parked(scene: Scene, rng: np.random.Generator, side: float, end: float) -> None:
    for x in np.arange(-12.0, end, 6.6):
        beside_crossing = bool(_near_crossing(np.array(x), 6.5))
        if rng.random() < 0.5 and not beside_crossing:
            _add_car(scene, rng, x + rng.uniform(-0.5, 0.5), side * 4.8, 0.0, heading=-side)


def _add_traffic(scene: Scene, rng: np.random.Generator, end: float, duration_s: float) -> None:
    x = 18.0
    while x < end + 9 * duration_s:
        _add_car(scene, rng, x, -OUR_LANE_Y_M, -rng.uniform(8.5, 9.0), heading=-1.0)
        x += rng.uniform(20, 45)
    for x in (15.0, 38.0, 62.0):
        _add_car(scene, rng, x, OUR_LANE_Y_M, SPEED_M_PER_S + rng.uniform(-0.3, 0.5))


def _add_walker(
    scene: Scene, rng: np.random.Generator, x: float, y: float, speed: tuple[float, float], floor: float
) -> None:
    height = rng.uniform(1.55, 1.88)
    scene.boxed.append((len(scene.start), "Pedestrian", (0.5, 0.5, height)))
    waist, neck = floor + 0.48 * height, floor + 0.84 * height
    scene.add("Pedestrian", (x, y, (floor + waist) / 2), (0.3, 0.32, waist - floor), (48, 50, 62), speed=speed)
    scene.add("Pedestrian", (x, y, (waist + neck) / 2), (0.36, 0.5, neck - waist), _pick(rng, _CLOTHES), speed=speed)
    head = (x, y, neck + 0.13)
    scene.add("Pedestrian", head, (0.24, 0.22, 0.3), _tint(rng, (190, 140, 112)), speed=speed, is_round=True)


def _add_walkers(scene: Scene, rng: np.random.Generator, side: float, end: float) -> None:
    for x in np.arange(6.0, end, 8.0):
        for _ in range(int(rng.integers(0, 3))):
            at, y = x + rng.uniform(-4, 4), side * rng.uniform(6.7, 8.6)
            _add_walker(scene, rng, at, y, (float(rng.choice([-1.2, 1.1, 1.4])), 0.0), _KERB_M)
    for x in np.arange(_CROSSING_AT_M + _CROSSING_EVERY_M, end, _CROSSING_EVERY_M):
        _add_walker(scene, rng, x + rng.uniform(-1, 1), side * rng.uniform(5, 14), (0.0, -side * 1.1), 0.0)
