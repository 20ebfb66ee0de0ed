"""A scene of nuScenes: six cameras, lidar and radars with a pose for each message, and boxes of key frames.

    v1.0-*/    scene sample sample_data ego_pose calibrated_sensor sensor sample_annotation instance category .json
    samples/CHANNEL/, sweeps/CHANNEL/    .jpg, .pcd.bin (lidar: x y z intensity ring, float32), .pcd (radar)
    lidarseg/v1.0-*/                     classes per point (uint8), with lidarseg.json among the tables

A log is one scene: the path is ROOT/SCENE or ROOT/VERSION/SCENE (`nuscenes/v1.0-mini/scene-0061`), which names no
folder; ROOT or ROOT/VERSION alone is enough where they have only one version and scene. World coordinates are the
map's. A box's velocity is made of the key frames before and after it. Radar messages are given as they are.
Source: https://www.nuscenes.org/nuscenes, schema of v1.0; https://github.com/nutonomy/nuscenes-devkit
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.core.errors import DataError, SampleError
from drivetrain.data.arrays import Bytes, Floats, Ints
from drivetrain.data.log import Box, Counted, Intrinsics, Kind, Log, Message, Pose, Stream
from drivetrain.data.sources.files import confined, pinhole, read_bytes, read_image
from drivetrain.data.sources.nuscenes_tables import Annotation, Recording, Tables, read_tables, scene_names
from drivetrain.data.sources.rigid import carried, compose, velocities, yaw_of

_POINT_FLOATS = 5
_MOST_US = 9_000_000_000_000_000  # microseconds until the year 2255


def recognise(path: Path) -> str:
    """Why this is no scene of nuScenes, or an empty string."""
    return (
        "" if _versions(path) or _versions(path.parent) else "neither it nor the folder around it has v1.0-*/scene.json"
    )


def open_log(path: Path) -> Log:
    """Open a scene; its tables are read now, images and points when asked for.

    Raises: DataError: several scenes or versions could be meant, or a table is missing or wrong.
    """
    folder, name = _which(path)
    tables = read_tables(folder, name)
    scene = _SceneReader(folder.parent, tables)
    return Log(
        name=name,
        source="nuscenes",
        content_hash=scene.content_hash,
        streams={stream.name: stream for stream in scene.streams()},
        intrinsics=scene.intrinsics,
        class_names={c.index: c.name for c in tables.categories.values() if c.index is not None},
        notes=tuple(scene.notes),
    )


def _versions(path: Path) -> list[Path]:
    """Folders of tables at this path."""
    if (path / "scene.json").is_file():
        return [path] if (path / "sample_data.json").is_file() else []
    return sorted(file.parent for file in path.glob("v1.0-*/scene.json"))


def _which(path: Path) -> tuple[Path, str]:
    """The tables and the name of the scene that a path means."""
    found, name = _versions(path), ""
    if not found:
        found, name = _versions(path.parent), path.name
    if len(found) > 1:
        raise DataError(
            f"{found[0].parent} has {len(found)} versions: {', '.join(version.name for version in found)}",
            hint=f"name one and a scene of it: {found[0] / 'scene-0001'}",
        )
    names = [name] if name else scene_names(found[0])
    if len(names) != 1:
        raise DataError(
            f"{path} has {len(names)} scenes, and a log is one of them",
            hint=f"open one, such as {path / names[0]}" if names else "fetch its tables again",
        )
    return found[0], names[0]


class _SceneReader:
    """Makes the streams of a scene out of its tables.

    Attributes:
      intrinsics: of its cameras, filled by `streams`.
      notes: files that are not there, a sentence a sensor; filled by `streams`.
    """

    def __init__(self, root: Path, tables: Tables) -> None:
        """Look at nothing yet."""
        self._root, self._tables = root, tables
        self.intrinsics: dict[str, Intrinsics] = {}
        self.notes: list[str] = []

    def streams(self) -> list[Stream[Any]]:
        """All streams. Raises DataError: the tables contradict themselves."""
        by_sensor: dict[tuple[str, str], list[Recording]] = defaultdict(list)
        for recording in self._tables.recordings.values():
            if not 0 <= recording.t_us < _MOST_US:
                raise DataError(f"{self._tables.folder / 'sample_data.json'} stamps a row with {recording.t_us} us")
            sensor = self._tables.sensor_of(recording)
            by_sensor[sensor.modality, sensor.channel].append(recording)
        streams = [self._ego(), self._boxes()]
        for (modality, channel), recordings in sorted(by_sensor.items()):
            there = self._there(channel, recordings)
            if modality == "camera":
                streams += self._camera(channel, there, recordings)
            elif modality == "lidar":
                streams += self._lidar(channel, there, len(recordings))
            else:
                streams.append(self._stream("message", channel, channel, there, self._message, len(recordings)))
        return streams

    def content_hash(self) -> str:
        """Of the scene's rows and of the files that they name."""
        digest = hashlib.sha256(repr(self._tables.annotations).encode())
        for recording in sorted(self._tables.recordings.values(), key=lambda r: r.filename):
            digest.update(repr(recording).encode())
            file = self._file(recording.filename)
            if file.is_file():
                with file.open("rb") as opened:
                    digest.update(hashlib.file_digest(opened, "sha256").digest())
        return digest.hexdigest()[:16]

    def _file(self, name: str) -> Path:
        return confined(self._root, name, where=self._tables.folder)

    def _there(self, channel: str, recordings: list[Recording]) -> list[Recording]:
        """Those whose files are there, by time."""
        there = [recording for recording in recordings if self._file(recording.filename).is_file()]
        if len(there) < len(recordings):
            self.notes.append(f"{len(recordings) - len(there)} of {len(recordings)} files of {channel} are not there")
        return sorted(there, key=lambda recording: recording.t_us)

    def _stream(
        self,
        kind: Kind,
        channel: str,
        frame: str,
        recordings: Sequence[Recording],
        read: Callable[[Recording], Any],
        num_listed: int,
        **more: Any,
    ) -> Stream[Any]:
        return Stream(
            name=f"{kind}/{channel}",
            kind=kind,
            frame=frame,
            t_ns=_ns([recording.t_us for recording in recordings]),
            read=lambda i: read(recordings[i]),
            labels=tuple(Path(recording.filename).name.partition(".")[0] for recording in recordings),
            num_listed=num_listed,
            **more,
        )

    def _camera(self, channel: str, there: list[Recording], listed: list[Recording]) -> list[Stream[Any]]:
        first, num_listed = listed[0], len(listed)
        calibration = self._tables.calibrations[first.calibrated_sensor_token]
        where = f"{self._tables.folder / 'calibrated_sensor.json'}: camera {channel}"
        try:
            (fx, _, cx), (_, fy, cy), _ = calibration.camera_intrinsic
        except ValueError as exc:
            raise DataError(f"{where} has no matrix of 3 x 3") from exc
        width, height = first.width or 0, first.height or 0
        if min(width, height) < 1:
            raise DataError(f"{where} has images of {width}x{height} pixels")
        self.intrinsics[f"camera/{channel}"] = pinhole(fx, fy, cx, cy, width, height, where=where)

        def jpeg(number: int) -> bytes:
            return read_bytes(self._file(there[number].filename))

        return [
            self._stream("camera", channel, channel, there, self._image, num_listed, jpeg=jpeg),
            self._stream("pose", channel, "world", there, self._pose, num_listed),
        ]

    def _lidar(self, channel: str, there: list[Recording], num_listed: int) -> list[Stream[Any]]:
        streams = [self._stream("lidar", channel, "world", there, self._points, num_listed)]
        segmented = [recording for recording in there if recording.token in self._tables.classes_of]
        if segmented:
            streams.append(self._stream("point_labels", channel, "world", segmented, self._classes, len(segmented)))
        return streams

    def _image(self, recording: Recording) -> Bytes:
        return read_image(self._file(recording.filename))

    def _pose(self, recording: Recording) -> Pose:
        """Of the sensor in the world, at the time of its message."""
        calibration = self._tables.calibrations[recording.calibrated_sensor_token]
        ego = self._tables.row(self._tables.ego_poses, recording.ego_pose_token, "ego_pose")
        return compose(Pose(ego.translation, ego.rotation), Pose(calibration.translation, calibration.rotation))

    def _points(self, recording: Recording) -> Floats:
        file, pose = self._file(recording.filename), self._pose(recording)
        data = read_bytes(file)
        if len(data) % (4 * _POINT_FLOATS):
            raise SampleError(f"{file} has {len(data)} bytes, which are no whole points of {_POINT_FLOATS} floats")
        if not pose.is_valid:
            raise SampleError(f"the pose of {file} is not finite")
        return carried(np.frombuffer(data, "<f4").reshape(-1, _POINT_FLOATS)[:, :3], pose)

    def _classes(self, recording: Recording) -> Bytes:
        file = self._file(self._tables.classes_of[recording.token].filename)
        return np.frombuffer(read_bytes(file), np.uint8)

    def _message(self, recording: Recording) -> Message:
        file = self._file(recording.filename)
        return Message("", file.suffix.removeprefix("."), read_bytes(file))

    def _ego(self) -> Stream[Any]:
        """Where the vehicle is, at the times of all its sensors."""
        at = {pose.t_us: Pose(pose.translation, pose.rotation) for pose in self._tables.ego_poses.values()}
        stamps = sorted(at)
        poses = [at[t_us] for t_us in stamps]
        return Stream("pose/ego", "pose", "world", _ns(stamps), poses.__getitem__, Counted(len(poses)), len(poses))

    def _boxes(self) -> Stream[Any]:
        """Boxes of all key frames, by time."""
        frames = sorted(self._tables.key_frames.values(), key=lambda frame: frame.t_us)
        things: dict[str, list[Annotation]] = defaultdict(list)
        for annotation in self._tables.annotations.values():
            things[annotation.instance_token].append(annotation)
        boxes: dict[str, list[Box]] = defaultdict(list)
        for token, seen in things.items():
            label = self._label(token)
            for annotation, box in self._track(token, label, seen):
                boxes[annotation.sample_token].append(box)
        found = [tuple(boxes[frame.token]) for frame in frames]
        t_ns = _ns([frame.t_us for frame in frames])
        return Stream("boxes/LIDAR_TOP", "boxes", "world", t_ns, found.__getitem__, Counted(len(found)), len(found))

    def _label(self, token: str) -> str:
        thing = self._tables.row(self._tables.instances, token, "instance")
        return self._tables.row(self._tables.categories, thing.category_token, "category").name

    def _track(self, token: str, label: str, seen: list[Annotation]) -> list[tuple[Annotation, Box]]:
        """The boxes of one thing, with its velocities."""
        seen.sort(key=lambda annotation: self._tables.key_frames[annotation.sample_token].t_us)
        t_ns = [1000 * self._tables.key_frames[annotation.sample_token].t_us for annotation in seen]
        moving = velocities(t_ns, np.array([annotation.translation for annotation in seen]))
        made = []
        for annotation, velocity in zip(seen, moving, strict=True):
            width, length, height = annotation.size
            yaw = yaw_of(Pose(annotation.translation, annotation.rotation))
            box = Box(label, annotation.translation, (length, width, height), yaw, track=token, velocity=velocity)
            made.append((annotation, box))
        return made


def _ns(stamps_us: Sequence[int]) -> Ints:
    return np.array(stamps_us, np.int64) * 1000
