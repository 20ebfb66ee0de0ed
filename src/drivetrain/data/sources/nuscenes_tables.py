"""The tables of nuScenes (JSON lists that name each other's rows by tokens), cut down to the rows of one scene."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from drivetrain.core.errors import DataError
from drivetrain.data.sources.files import read_json

PUBLISHER = "nuScenes"
Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]


class Row(msgspec.Struct, frozen=True, gc=False):
    """A row of any table."""

    token: str


class Scene(Row, frozen=True, gc=False):
    """A drive of twenty seconds."""

    name: str


class KeyFrame(Row, frozen=True, gc=False, rename={"t_us": "timestamp"}):
    """A moment at which things are labelled; the table `sample`."""

    t_us: int
    scene_token: str


class Recording(Row, frozen=True, gc=False, rename={"t_us": "timestamp"}):
    """One sensor's message; the table `sample_data`."""

    t_us: int
    sample_token: str
    ego_pose_token: str
    calibrated_sensor_token: str
    filename: str
    width: int | None = None
    height: int | None = None


class EgoPose(Row, frozen=True, gc=False, rename={"t_us": "timestamp"}):
    """Where the vehicle was; w, x, y, z."""

    t_us: int
    translation: Vector
    rotation: Quaternion


class Calibration(Row, frozen=True, gc=False):
    """Where a sensor is on the vehicle, and the matrix of a camera; the table `calibrated_sensor`."""

    sensor_token: str
    translation: Vector
    rotation: Quaternion
    camera_intrinsic: list[list[float]] = []


class Sensor(Row, frozen=True, gc=False):
    """What a sensor is called, and whether it is a camera, lidar or radar."""

    channel: str
    modality: str


class Annotation(Row, frozen=True, gc=False):
    """A box around one thing at a key frame; size is width, length, height."""

    sample_token: str
    instance_token: str
    translation: Vector
    size: Vector
    rotation: Quaternion


class Instance(Row, frozen=True, gc=False):
    """One thing through a scene."""

    category_token: str


class Category(Row, frozen=True, gc=False):
    """What things are called; `index` is the number of its class per point."""

    name: str
    index: int | None = None


class PointClasses(Row, frozen=True, gc=False):
    """A file of classes per point; the table `lidarseg`, which is published apart."""

    filename: str
    sample_data_token: str


R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class Tables:
    """The rows of one scene, by token; all of a table where it is short.

    Attributes:
      folder: of the tables.
      classes_of: token of a recording -> its file of classes per point.
    """

    folder: Path
    scene: Scene
    key_frames: Mapping[str, KeyFrame]
    recordings: Mapping[str, Recording]
    ego_poses: Mapping[str, EgoPose]
    calibrations: Mapping[str, Calibration]
    sensors: Mapping[str, Sensor]
    annotations: Mapping[str, Annotation]
    instances: Mapping[str, Instance]
    categories: Mapping[str, Category]
    classes_of: Mapping[str, PointClasses]

    def sensor_of(self, recording: Recording) -> Sensor:
        """Which sensor it comes from. Raises DataError: the tables name rows that they do not have."""
        calibration = self.row(self.calibrations, recording.calibrated_sensor_token, "calibrated_sensor")
        return self.row(self.sensors, calibration.sensor_token, "sensor")

    def row(self, rows: Mapping[str, R], token: str, table: str) -> R:
        """A row that another names. Raises DataError: the table does not have it."""
        if token not in rows:
            raise DataError(f"{self.folder / f'{table}.json'} has no row {token!r}, which another table names")
        return rows[token]


def scene_names(folder: Path) -> list[str]:
    """What the scenes of some tables are called. Raises DataError."""
    return sorted(scene.name for scene in _rows(folder, "scene", Scene))


def read_tables(folder: Path, name: str) -> Tables:
    """The rows of a scene; each table is held as a whole only while its rows are picked.

    Raises: DataError: a table is missing or damaged, or there is no such scene.
    """
    found = [scene for scene in _rows(folder, "scene", Scene) if scene.name == name]
    if not found:
        raise DataError(f"{folder} has no scene {name!r}", hint=f"it has {', '.join(scene_names(folder)[:8])}, ...")
    key_frames = _by_token(f for f in _rows(folder, "sample", KeyFrame) if f.scene_token == found[0].token)
    recordings = _by_token(r for r in _rows(folder, "sample_data", Recording) if r.sample_token in key_frames)
    poses_needed = {recording.ego_pose_token for recording in recordings.values()}
    annotations = _by_token(a for a in _rows(folder, "sample_annotation", Annotation) if a.sample_token in key_frames)
    things = {annotation.instance_token for annotation in annotations.values()}
    segmented = _rows(folder, "lidarseg", PointClasses) if (folder / "lidarseg.json").is_file() else []
    return Tables(
        folder=folder,
        scene=found[0],
        key_frames=key_frames,
        recordings=recordings,
        ego_poses=_by_token(p for p in _rows(folder, "ego_pose", EgoPose) if p.token in poses_needed),
        calibrations=_by_token(_rows(folder, "calibrated_sensor", Calibration)),
        sensors=_by_token(_rows(folder, "sensor", Sensor)),
        annotations=annotations,
        instances=_by_token(i for i in _rows(folder, "instance", Instance) if i.token in things),
        categories=_by_token(_rows(folder, "category", Category)),
        classes_of={row.sample_data_token: row for row in segmented if row.sample_data_token in recordings},
    )


def _rows(folder: Path, table: str, kind: type[R]) -> list[R]:
    return read_json(folder / f"{table}.json", list[kind], publisher=PUBLISHER)  # type: ignore[valid-type]


def _by_token(rows: Iterable[R]) -> dict[str, R]:
    return {row.token: row for row in rows}
