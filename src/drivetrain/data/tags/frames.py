"""Frames of a log -> columns of a data set that slices can ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa

from drivetrain.core.errors import SampleError
from drivetrain.data.arrays import Bytes, Floats, Ints, Mask
from drivetrain.data.image_hash import image_hash
from drivetrain.data.index import WORD
from drivetrain.data.log import Box, Log, Stream
from drivetrain.data.tags.around import NEAR_M, brightness, count_boxes, density, is_vehicle, light
from drivetrain.data.tags.manoeuvres import cut_ins, manoeuvres
from drivetrain.data.tags.motion import Motion, motion_of

COLUMNS: dict[str, pa.DataType] = {
    "x_m": pa.float64(),
    "y_m": pa.float64(),
    "speed_m_per_s": pa.float64(),
    "acceleration_m_per_s2": pa.float64(),
    "yaw_rate_rad_per_s": pa.float64(),
    "num_vehicles": pa.int32(),
    "num_pedestrians": pa.int32(),
    "density": WORD,
    "brightness": pa.float64(),
    "light": WORD,
    "image_hash": pa.int64(),
    "tags": pa.list_(pa.string()),
}
"""What the functions below give; None where the log does not tell. `tags` are names of manoeuvres."""

_TOLERANCE_NS = 150_000_000  # between a frame and what is told about it
_OF_PIXELS = ("brightness", "light", "image_hash")
_OF_BOXES = ("num_vehicles", "num_pedestrians", "density")


@dataclass(frozen=True, eq=False)
class DriveTags:
    """What happens in a drive, ready to be asked for by time, from any thread.

    Attributes:
      motion: of the vehicle; None where the log does not tell.
      has_place: its places are of the log's own frame of reference.
      masks: by the name of a manoeuvre, which stamps of the motion are in it.
      around: counts of what is near; None where there are no boxes.
    """

    motion: Motion | None
    has_place: bool
    masks: dict[str, Mask]
    around: _Around | None

    @classmethod
    def of(cls, log: Log) -> DriveTags:
        """Those of a log. Its poses say where the vehicle is; without them nothing around it is told."""
        motion = motion_of(log)
        if motion is None or not len(motion):
            return cls(None, False, {}, None)
        has_place = bool(log.of_kind("pose"))
        boxes = cast(list[Stream[tuple[Box, ...]]], log.of_kind("boxes"))
        around = _around(motion, boxes[0]) if boxes and has_place else None
        return cls(motion, has_place, manoeuvres(motion), around)

    def at(self, t_ns: int) -> dict[str, object]:
        """The columns of `COLUMNS` but those of pixels, at a stamp."""
        row: dict[str, object] = dict.fromkeys(name for name in COLUMNS if name not in _OF_PIXELS)
        tags: list[str] = []
        at = -1 if self.motion is None else _nearest(t_ns, self.motion.t_N_ns)
        if self.motion is not None and at >= 0:
            row |= _motion_at(self.motion, at, has_place=self.has_place)
            tags += [name for name, mask in self.masks.items() if mask[at]]
        at = -1 if self.around is None else _nearest(t_ns, self.around.t_M_ns)
        found = self.around.counts[at] if self.around is not None and at >= 0 else None
        if self.around is not None and found is not None:
            row |= zip(_OF_BOXES, (*found, density(sum(found))), strict=True)
            tags += ["cut_in"] if self.around.cut_in_M[at] else []
        return {**row, "tags": tags}


@dataclass(frozen=True, eq=False)
class _Around:
    """Vehicles and pedestrians near at M ascending stamps (None: the boxes could not be read), and cut-ins."""

    t_M_ns: Ints
    counts: list[tuple[int, int] | None]
    cut_in_M: Mask


def tag_frames(log: Log, t_N_ns: Ints) -> list[dict[str, object]]:
    """What `DriveTags.at` gives at each stamp."""
    drive = DriveTags.of(log)
    return [drive.at(int(t_ns)) for t_ns in t_N_ns]


def tag_image(image_HW3: Bytes) -> dict[str, object]:
    """How bright an RGB image is, as a number and a word, and what it looks like, as a hash."""
    mean_luma = brightness(image_HW3)
    return {"brightness": mean_luma, "light": light(mean_luma), "image_hash": image_hash(image_HW3)}


def _motion_at(motion: Motion, at: int, *, has_place: bool) -> dict[str, object]:
    return {
        "x_m": _known(motion.xy_N2[at, 0]) if has_place else None,
        "y_m": _known(motion.xy_N2[at, 1]) if has_place else None,
        "speed_m_per_s": _known(motion.speed_N_m_per_s[at]),
        "acceleration_m_per_s2": _known(motion.acceleration_N_m_per_s2[at]),
        "yaw_rate_rad_per_s": _known(motion.yaw_rate_N_rad_per_s[at]),
    }


def _around(motion: Motion, stream: Stream[tuple[Box, ...]]) -> _Around:
    """Each message is read once, and far boxes are let go of at once."""
    order = np.argsort(stream.t_ns, kind="stable")
    t_M_ns = stream.t_ns[order]
    xy_M2 = np.stack([np.interp(t_M_ns, motion.t_N_ns, motion.xy_N2[:, axis]) for axis in (0, 1)], axis=1)
    counts: list[tuple[int, int] | None] = []
    vehicles: list[list[Box]] = []
    for number, at in zip(order.tolist(), xy_M2, strict=True):
        try:
            boxes = stream.read(number)
        except SampleError:
            counts.append(None)
            vehicles.append([])
            continue
        counts.append(count_boxes(boxes, (float(at[0]), float(at[1]))))
        vehicles.append([box for box in boxes if is_vehicle(box.label) and _is_near(box, at)])
    return _Around(t_M_ns, counts, cut_ins(motion, t_M_ns, vehicles))


def _nearest(t_ns: int, reference_t_ns: Ints) -> int:
    """Where the stamp nearest to a time is, in ascending ones; -1 where none is near."""
    if not len(reference_t_ns):
        return -1
    after = int(np.searchsorted(reference_t_ns, t_ns))
    near = [at for at in (after - 1, after) if 0 <= at < len(reference_t_ns)]
    at = min(near, key=lambda at: abs(int(reference_t_ns[at]) - t_ns))
    return at if abs(int(reference_t_ns[at]) - t_ns) <= _TOLERANCE_NS else -1


def _is_near(box: Box, at: Floats) -> bool:
    return bool(np.hypot(box.centre[0] - at[0], box.centre[1] - at[1]) <= NEAR_M)


def _known(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
