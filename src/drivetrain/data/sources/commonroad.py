"""CommonRoad scenarios (XML of 2018b and 2020a): tracks of traffic and the lanes they drive on.

A scenario gives two streams, `boxes/NAME` with everything on the road at each time step and `lanes/NAME`; a folder of
scenarios gives two for each of its files. Stamps count from the scenario's step 0. The plane has no height: z and the
height of boxes are 0. Where a value is an interval its middle is taken, where a shape is not a rectangle the rectangle
around it, along its heading.
Source: https://commonroad.in.tum.de, "XML Format for CommonRoad Benchmarks", versions 2018b and 2020a
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from drivetrain.core.errors import DataError
from drivetrain.core.units import NS_PER_S
from drivetrain.data.arrays import Floats
from drivetrain.data.log import Box, Lane, Log, Stream
from drivetrain.data.sources.elements import pieces
from drivetrain.data.sources.files import content_hash

Extent = tuple[tuple[float, float], tuple[float, float]]
_ROOT = "commonRoad"
_HEAD_BYTES = 4096
_MOST_SCENARIOS = 64
_MOST_FILES = 2000  # of a folder whose heads are read before we say what it is
_MOST_STEP = 10_000_000
_SPEED_SIGNS = frozenset({"274", "R2-1"})  # the world over, and the USA
_MOVING = ("dynamicObstacle", "obstacle")


def recognise(path: Path) -> str:
    """Why this is no scenario and no folder of them, or an empty string."""
    if not path.exists():
        return "there is no such file or folder"
    return "" if _scenarios(path) else f"neither it nor a file in it is an XML document with the root <{_ROOT}>"


def open_log(path: Path) -> Log:
    """Open a scenario or a folder of them; all of it is read.

    Raises: DataError: a file is cut short, or something in it is missing or no number; or there are too many files.
    """
    files = _scenarios(path)
    if len(files) > _MOST_SCENARIOS:
        raise DataError(f"{path} holds more than {_MOST_SCENARIOS} scenarios", hint="open one of its files")
    streams = [stream for file in files for stream in _streams(file)]
    return Log(
        name=path.resolve().stem if path.is_file() else path.resolve().name,
        source="commonroad",
        content_hash=lambda: content_hash(path),
        streams={stream.name: stream for stream in streams},
        intrinsics={},
    )


def _scenarios(path: Path) -> list[Path]:
    """The file itself, or those in the folder; only the heads of files are read."""
    listed: Iterator[Path] = iter([path]) if path.is_file() else islice(path.glob("*.xml"), _MOST_FILES)
    return sorted(islice((file for file in listed if _is_scenario(file)), _MOST_SCENARIOS + 1))


def _is_scenario(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return file.suffix.lower() == ".xml" and f"<{_ROOT}".encode() in opened.read(_HEAD_BYTES)
    except OSError:
        return False


@dataclass
class _Scenario:
    """What a file says, as far as it has been read.

    Attributes:
      step_s: from one time step to the next.
      moving: time step -> boxes at that time.
      standing: boxes that are there at all times.
      lanes: with no speed limit where only a sign gives it.
      signs_of: name of a lane -> the signs that hold on it.
      limits_m_per_s: sign -> its speed limit.
    """

    step_s: float
    moving: dict[int, list[Box]] = field(default_factory=lambda: defaultdict(list))
    standing: list[Box] = field(default_factory=list)
    lanes: dict[str, dict[str, Any]] = field(default_factory=dict)
    signs_of: dict[str, list[str]] = field(default_factory=dict)
    limits_m_per_s: dict[str, float] = field(default_factory=dict)

    def take(self, piece: Element) -> None:
        """Add what a child of the root says; children that say nothing of roads or traffic are passed over."""
        if piece.tag == "lanelet":
            self._take_lane(piece)
        elif piece.tag == "trafficSign":
            self._take_sign(piece)
        elif piece.tag == "staticObstacle" or (piece.tag in _MOVING and _text(piece, "role", "") == "static"):
            self.standing.append(_box(piece, _extent(_only(piece, "shape")), _only(piece, "initialState")))
        elif piece.tag in _MOVING:
            extent = _extent(_only(piece, "shape"))
            for state in [_only(piece, "initialState"), *piece.iterfind("trajectory/state")]:
                step = _number(_only(state, "time"))
                if not 0 <= step <= _MOST_STEP or step != int(step):
                    raise ValueError(f"time step {step:g} is not a whole number from 0 to {_MOST_STEP}")
                self.moving[int(step)].append(_box(piece, extent, state))

    def _take_lane(self, piece: Element) -> None:
        name = piece.get("id", "")
        left_N2, right_N2 = (_points(_only(piece, side)) for side in ("leftBound", "rightBound"))
        if len(left_N2) != len(right_N2) or len(left_N2) < 2:
            raise ValueError(
                f"its borders have {len(left_N2)} and {len(right_N2)} points; both need the same, 2 or more"
            )
        limit = piece.find("speedLimit")
        self.lanes[name] = {
            "name": name,
            "left_N2": left_N2,
            "right_N2": right_N2,
            "successors": tuple(after.get("ref", "") for after in piece.iterfind("successor")),
            "left": _neighbour(piece, "adjacentLeft"),
            "right": _neighbour(piece, "adjacentRight"),
            "speed_limit_m_per_s": None if limit is None else _float(limit),
        }
        self.signs_of[name] = [sign.get("ref", "") for sign in piece.iterfind("trafficSignRef")]

    def _take_sign(self, piece: Element) -> None:
        for part in piece.iterfind("trafficSignElement"):
            limit = part.find("additionalValue")
            if _text(part, "trafficSignID", "") in _SPEED_SIGNS and limit is not None:
                self.limits_m_per_s[piece.get("id", "")] = _float(limit)

    def all_lanes(self) -> tuple[Lane, ...]:
        """Lanes with the limits of their signs, of several the lowest."""
        for name, lane in self.lanes.items():
            limits = [self.limits_m_per_s[sign] for sign in self.signs_of[name] if sign in self.limits_m_per_s]
            if limits and lane["speed_limit_m_per_s"] is None:
                lane["speed_limit_m_per_s"] = min(limits)
        return tuple(Lane(**lane) for lane in self.lanes.values())


def _streams(file: Path) -> list[Stream[Any]]:
    scenario = _read(file)
    steps = sorted(scenario.moving) or [0]
    boxes = [tuple(scenario.moving.get(step, []) + scenario.standing) for step in steps]
    lanes = scenario.all_lanes()
    step_ns = round(scenario.step_s * NS_PER_S)
    t_ns = np.array([step * step_ns for step in steps], np.int64)
    labels = tuple(str(step) for step in steps)
    found: list[Stream[Any]] = [
        Stream(f"boxes/{file.stem}", "boxes", "world", t_ns, boxes.__getitem__, labels, len(steps))
    ]
    if lanes:
        found.append(Stream(f"lanes/{file.stem}", "lanes", "world", t_ns[:1], (lanes,).__getitem__, ("map",), 1))
    return found


def _read(file: Path) -> _Scenario:
    read = pieces(file, root=_ROOT)
    root = next(read)
    step = root.get("timeStepSize", "")
    try:
        scenario = _Scenario(float(step))
    except ValueError:
        scenario = _Scenario(math.nan)
    if not 1e-6 <= scenario.step_s <= 60:
        raise DataError(f"{file} has a timeStepSize of {step!r}; expected seconds from 1e-6 to 60")
    for piece in read:
        try:
            scenario.take(piece)
        except ValueError as exc:
            raise DataError(f"{file}: <{piece.tag} id={piece.get('id', '')!r}>: {exc}") from exc
    return scenario


def _box(obstacle: Element, extent: Extent, state: Element) -> Box:
    """What an obstacle is and where it is in one state. Raises ValueError."""
    middle, size = extent
    x, y = _points(_only(state, "position")).mean(axis=0).tolist()
    yaw = _number(_only(state, "orientation"))
    speed = state.find("velocity")
    forward, left = math.cos(yaw), math.sin(yaw)
    velocity = None if speed is None else (_number(speed) * forward, _number(speed) * left)
    return Box(
        label=_text(obstacle, "type", "unknown"),
        centre=(x + forward * middle[0] - left * middle[1], y + left * middle[0] + forward * middle[1], 0.0),
        size=(*size, 0.0),
        yaw=yaw,
        track=obstacle.get("id", ""),
        velocity=velocity,
    )


def _extent(shape: Element) -> Extent:
    """The middle, and length and width, of the rectangle around all parts of a shape."""
    corners = [corner for part in shape for corner in _corners(part)]
    if not corners:
        raise ValueError("its shape has no parts")
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    middle, size = ((low + high) / 2).tolist(), (high - low).tolist()
    return (middle[0], middle[1]), (size[0], size[1])


def _corners(part: Element) -> list[tuple[float, float]]:
    """Points around a rectangle, circle or polygon, in the coordinates of its obstacle."""
    if part.tag == "polygon":
        return [(x, y) for x, y in _points(part).tolist()]
    centre, turn = part.find("center"), part.find("orientation")
    x, y = (0.0, 0.0) if centre is None else (_float(_only(centre, "x")), _float(_only(centre, "y")))
    if part.tag == "circle":
        radius = _float(_only(part, "radius"))
        return [(x - radius, y - radius), (x + radius, y + radius)]
    length, width = _float(_only(part, "length")), _float(_only(part, "width"))
    yaw = 0.0 if turn is None else _float(turn)
    c, s = math.cos(yaw), math.sin(yaw)
    halves = [(a * length / 2, b * width / 2) for a in (-1, 1) for b in (-1, 1)]
    return [(x + c * a - s * b, y + s * a + c * b) for a, b in halves]


def _points(parent: Element) -> Floats:
    """The points within an element, or the centres of areas where it has no points; N2."""
    found = parent.findall("point") or parent.findall("*/center") or parent.findall("*/point")
    if not found:
        raise ValueError(f"its <{parent.tag}> has no point")
    return np.array([(_float(_only(point, "x")), _float(_only(point, "y"))) for point in found], np.float64)


def _neighbour(lane: Element, side: str) -> str:
    beside = lane.find(side)
    return beside.get("ref", "") if beside is not None and beside.get("drivingDir") == "same" else ""


def _only(parent: Element, tag: str) -> Element:
    found = parent.find(tag)
    if found is None:
        raise ValueError(f"<{parent.tag}> has no <{tag}>")
    return found


def _text(parent: Element, tag: str, otherwise: str) -> str:
    return (parent.findtext(tag) or otherwise).strip()


def _number(parent: Element) -> float:
    """An exact value, or the middle of an interval."""
    exact = parent.find("exact")
    if exact is not None:
        return _float(exact)
    return (_float(_only(parent, "intervalStart")) + _float(_only(parent, "intervalEnd"))) / 2


def _float(element: Element) -> float:
    text = (element.text or "").strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"<{element.tag}> is {text!r}, expected a finite number")
    return value
