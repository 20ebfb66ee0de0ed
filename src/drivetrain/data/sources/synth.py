"""A small generated drive with exact truth: nothing to download, every fault a parameter.

One street, driven along at constant speed, seen by a pinhole camera and a spinning lidar whose rates and stamps differ;
at a third rate `pose/ego`, `scalars/speed` and `scalars/imu` tell exactly what the vehicle does. Each sweep is taken at
one instant. Frames and sweeps are made when they are read, so opening costs nothing.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from drivetrain.core import config
from drivetrain.core.units import NS_PER_S
from drivetrain.data.arrays import Bytes, Floats, Ints
from drivetrain.data.classes import merge_table
from drivetrain.data.log import Box, Intrinsics, Kind, Log, Pose, Stream, scalar_stream
from drivetrain.data.sources.faults import SensorFaults
from drivetrain.data.sources.paint import classes_of, paint
from drivetrain.data.sources.raycast import Rays, camera_rays, cast, lidar_rays
from drivetrain.data.sources.scene import CLASS_NAMES, OUR_LANE_Y_M, SPEED_M_PER_S, Scene, make_scene
from drivetrain.data.turning import about_z, times

_START_NS = 1_700_000_000 * NS_PER_S
_CAMERA_HEIGHT_M, _LIDAR_HEIGHT_M, _PITCH_RAD = 1.55, 1.95, np.radians(2.0)
_ELEVATIONS = np.radians(np.linspace(-26.0, 9.0, 64))
_NUM_AZIMUTHS = 1200
_IMU_HZ = 100.0
_IMU_FIELDS = ("yaw_rate_rad_per_s", "acceleration_x_m_per_s2", "acceleration_y_m_per_s2")
_SWAY_M, _SWAY_RAD_PER_S = 0.3, 2 * np.pi / 6.0
_FAR_M, _LIDAR_FAR_M, _RANGE_NOISE_M = 160.0, 90.0, 0.02
_FORWARD = (0.5, -0.5, 0.5, -0.5)  # turns the camera's x right, y down, z forward to the world's x forward, z up
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthSpec:
    """Everything that decides a generated drive; with one BLAS, equal specs give equal drives, byte for byte.

    Attributes:
      seed: of the street, its traffic and the sensors' noise.
      duration_s: length of the drive.
      camera_hz, lidar_hz: native rates.
      width, height: of the camera's images, pixels.
      lidar_phase_s: when the lidar's first sweep is taken, after the camera's first frame.
      lidar_lag_s: how much later than the truth the lidar's stamps are (a clock that is off).
      jitter_s: standard deviation of the stamps of both.
      dropped_frames, dropped_sweeps: numbers of messages that never arrived.
      nan_poses: numbers of frames whose pose is lost.
      calibration_yaw_deg: how far the recorded heading of the camera is turned from the true one, about +z.
      calibration_pitch_deg: how far it is turned down.
      calibration_focal: the recorded focal length as a multiple of the true one; may be 0.
      exposure: how bright the camera's images are, as a multiple of what is right.
      camera, lidar, imu: faults of each sensor; those of `imu` concern all that the vehicle says of itself.
    """

    seed: int = 0
    duration_s: float = 11.0
    camera_hz: float = 10.0
    lidar_hz: float = 20.0
    width: int = 320
    height: int = 180
    lidar_phase_s: float = 0.008
    lidar_lag_s: float = 0.0
    jitter_s: float = 0.0005
    dropped_frames: tuple[int, ...] = ()
    dropped_sweeps: tuple[int, ...] = ()
    nan_poses: tuple[int, ...] = ()
    calibration_yaw_deg: float = 0.0
    calibration_pitch_deg: float = 0.0
    calibration_focal: float = 1.0
    exposure: float = 1.0
    camera: SensorFaults = field(default_factory=SensorFaults)
    lidar: SensorFaults = field(default_factory=SensorFaults)
    imu: SensorFaults = field(default_factory=SensorFaults)

    def __post_init__(self) -> None:
        for name in ("duration_s", "camera_hz", "lidar_hz", "width", "height"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")

    @property
    def intrinsics(self) -> Intrinsics:
        """The camera: 58 degrees wide whatever its size, its axis in the middle of the image."""
        focal = 0.9 * self.width
        return Intrinsics(focal, focal, self.width / 2 - 0.5, self.height / 2 - 0.5, self.width, self.height)


def recognise(path: Path) -> str:
    """Why this is no request for a generated drive, or an empty string."""
    if str(path) == "synth" or (path.suffix == ".toml" and path.is_file()):
        return ""
    return "only the word `synth`, or a .toml file of a SynthSpec, asks for a generated drive"


def open_log(path: Path) -> Log:
    """The drive that a file describes, or the default one. Raises ConfigError: the file describes none."""
    return synth() if str(path) == "synth" else synth(config.load_file(SynthSpec, path))


def synth(spec: SynthSpec | None = None) -> Log:
    """The drive that a spec describes; its stream `pixel_labels/front` is the exact truth per pixel."""
    drive = _Drive(spec or SynthSpec())
    spec = drive.spec
    camera, lidar, imu = drive.camera_clock(), drive.lidar_clock(), drive.imu_clock()
    frames = camera.arriving(spec.duration_s, spec.dropped_frames)
    sweeps = lidar.arriving(spec.duration_s - spec.lidar_phase_s, spec.dropped_sweeps)
    ticks = imu.arriving(spec.duration_s, ())
    motion = drive.told_motion(ticks)
    streams: list[Stream[object]] = [
        _stream("camera/front", "camera", "front", frames, camera, drive.frame),
        _stream("pose/front", "pose", "world", frames, camera, drive.recorded_pose),
        _stream("pixel_labels/front", "pixel_labels", "front", frames, camera, drive.truth),
        _stream("lidar/top", "lidar", "world", sweeps, lidar, drive.sweep),
        _stream("point_labels/top", "point_labels", "world", sweeps, lidar, drive.point_classes),
        _stream("boxes/top", "boxes", "world", sweeps, lidar, drive.boxes),
        _stream("pose/top", "pose", "world", sweeps, lidar, drive.lidar_pose),
        _stream("pose/ego", "pose", "world", ticks, imu, drive.vehicle_pose),
        scalar_stream("scalars/imu", _IMU_FIELDS, imu.t_ns(ticks), lambda: motion[:, :3], frame="vehicle"),
        scalar_stream("scalars/speed", ("speed_m_per_s",), imu.t_ns(ticks), lambda: motion[:, 3:], frame="vehicle"),
    ]
    lens = spec.intrinsics
    return Log(
        name=f"synth-{spec.seed}",
        source="synth",
        content_hash=lambda: hashlib.sha256(repr(_asked(spec)).encode()).hexdigest()[:16],
        streams={stream.name: stream for stream in streams},
        intrinsics={
            "camera/front": replace(lens, fx=lens.fx * spec.calibration_focal, fy=lens.fy * spec.calibration_focal)
        },
        class_names=CLASS_NAMES,
    )


@dataclass(frozen=True, slots=True)
class _Clock:
    """Stamps a sensor's messages.

    Attributes:
      seed: of its jitter.
      rate_hz: of the sensor.
      start_s: the stamp of message 0, after the start of the drive.
      jitter_s: standard deviation of the stamps.
      faults: what else is wrong with them.
    """

    seed: list[int]
    rate_hz: float
    start_s: float
    jitter_s: float
    faults: SensorFaults

    def arriving(self, duration_s: float, dropped: tuple[int, ...]) -> list[int]:
        """Numbers of the messages that arrive, in order."""
        numbers = [n for n in range(int(np.ceil(duration_s * self.rate_hz - 1e-9))) if n not in dropped]
        return self.faults.arriving(numbers, np.random.default_rng([*self.seed, 5]))

    def t_ns(self, numbers: list[int]) -> Ints:
        """Stamps of the messages with these numbers."""
        jitter = np.random.default_rng(self.seed).normal(0, 1, 1 + max(numbers, default=0))
        true_s = np.array([n / self.rate_hz + self.start_s for n in numbers])
        late_s = self.faults.stamp_s(true_s) + np.array([jitter[n] * self.jitter_s for n in numbers])
        return np.array([_START_NS + round(s * NS_PER_S) for s in late_s.tolist()], np.int64)

    def said(self, number: int) -> int:
        """The message whose content is sent as this one."""
        return self.faults.said(number, self.rate_hz)


@dataclass
class _Drive:
    """Makes messages by their number; methods are pure and may be called from any thread."""

    spec: SynthSpec
    scene: Scene = field(init=False)
    _turn: Callable[[int], tuple[Floats, Bytes]] = field(init=False)

    def __post_init__(self) -> None:
        self.scene = make_scene(np.random.default_rng(self.spec.seed), self.spec.duration_s)
        # Points and their classes are read one after the other.
        self._turn = lru_cache(maxsize=4)(self._points_and_classes)

    def camera_clock(self) -> _Clock:
        return _Clock([self.spec.seed, 0], self.spec.camera_hz, 0.0, self.spec.jitter_s, self.spec.camera)

    def lidar_clock(self) -> _Clock:
        start_s = self.spec.lidar_phase_s + self.spec.lidar_lag_s
        return _Clock([self.spec.seed, 1], self.spec.lidar_hz, start_s, self.spec.jitter_s, self.spec.lidar)

    def imu_clock(self) -> _Clock:
        return _Clock([self.spec.seed, 4], _IMU_HZ, 0.0, self.spec.jitter_s, self.spec.imu)

    def frame(self, number: int) -> Bytes:
        number = self.camera_clock().said(number)
        t_s = number / self.spec.camera_hz
        things, rays = self.scene.at(t_s), self._camera_rays(number)
        hits = cast(rays, things, far=_FAR_M)
        picture = paint(rays, hits, self.scene, things, np.random.default_rng([self.spec.seed, 2, number]))
        if self.spec.exposure == 1.0:
            return picture
        exposed: Bytes = np.clip(picture * self.spec.exposure, 0, 255).astype(np.uint8)
        return exposed

    def truth(self, number: int) -> Bytes:
        rays = self._camera_rays(number)
        hits = cast(rays, self.scene.at(number / self.spec.camera_hz), far=_FAR_M)
        return self._groups[classes_of(rays, hits, self.scene)]

    def recorded_pose(self, number: int) -> Pose:
        if number in self.spec.nan_poses:
            return Pose((np.nan, np.nan, np.nan), (np.nan, np.nan, np.nan, np.nan))
        pose = self._camera_pose(number)
        down = np.radians(self.spec.calibration_pitch_deg) / 2  # about the camera's own x, which points right
        heading = times(pose.heading, (math.cos(down), -math.sin(down), 0.0, 0.0)) if down else pose.heading
        return Pose(pose.position, times(about_z(np.radians(self.spec.calibration_yaw_deg)), heading))

    def sweep(self, number: int) -> Floats:
        return self._turn(self.lidar_clock().said(number))[0]

    def point_classes(self, number: int) -> Bytes:
        return self._turn(self.lidar_clock().said(number))[1]

    def lidar_pose(self, number: int) -> Pose:
        x, y, yaw = _ego(self._sweep_s(number))
        return Pose((x, y, _LIDAR_HEIGHT_M), about_z(yaw))

    def told_motion(self, ticks: list[int]) -> Floats:
        """What the vehicle's own sensors say, a row per message: see `_motion`."""
        clock = self.imu_clock()
        true = _motion(np.array([clock.said(number) for number in ticks]) / _IMU_HZ)
        return (
            self.spec.imu.spoilt(true, np.random.default_rng([self.spec.seed, 6])) if self.spec.imu.nan_rate else true
        )

    def vehicle_pose(self, number: int) -> Pose:
        x, y, yaw = _ego(number / _IMU_HZ)
        return Pose((x, y, 0.0), about_z(yaw))

    def boxes(self, number: int) -> tuple[Box, ...]:
        return self.scene.boxes_at(self._sweep_s(number))

    @cached_property
    def _groups(self) -> Bytes:
        return merge_table(CLASS_NAMES)[0]

    def _sweep_s(self, number: int) -> float:
        return number / self.spec.lidar_hz + self.spec.lidar_phase_s

    def _camera_pose(self, number: int) -> Pose:
        x, y, yaw = _ego(number / self.spec.camera_hz)
        heading = times(times(about_z(yaw), (math.cos(_PITCH_RAD / 2), 0.0, math.sin(_PITCH_RAD / 2), 0.0)), _FORWARD)
        return Pose((x, y, _CAMERA_HEIGHT_M), heading)

    def _camera_rays(self, number: int) -> Rays:
        pose = self._camera_pose(number)
        return camera_rays(self.spec.intrinsics, np.array(pose.position), pose.rotation)

    def _points_and_classes(self, number: int) -> tuple[Floats, Bytes]:
        t_s = self._sweep_s(number)
        x, y, yaw = _ego(t_s)
        rays = lidar_rays(_ELEVATIONS, _NUM_AZIMUTHS, np.array([x, y, _LIDAR_HEIGHT_M]), yaw)
        hits = cast(rays, self.scene.at(t_s), far=_LIDAR_FAR_M)
        met = hits.depth_HW < _LIDAR_FAR_M
        noise = np.random.default_rng([self.spec.seed, 3, number]).normal(0, _RANGE_NOISE_M, int(met.sum()))
        points = rays.origin + (hits.depth_HW[met] + noise)[:, None] * rays.direction_HW3[met]
        return points, classes_of(rays, hits, self.scene)[met]


def _stream(
    name: str, kind: Kind, frame: str, numbers: list[int], clock: _Clock, make: Callable[[int], T]
) -> Stream[T]:
    """A stream of the messages with these numbers, in this order; the rest were dropped."""
    return Stream(
        name=name,
        kind=kind,
        frame=frame,
        t_ns=clock.t_ns(numbers),
        read=lambda i: make(numbers[i]),
        labels=tuple(f"{n:03d}" for n in numbers),
        num_listed=1 + max(numbers, default=-1),
    )


def _asked(spec: SynthSpec) -> list[tuple[str, object]]:
    """What a spec says, without faults that it does not ask for: a drive keeps its hash when we learn to make more."""
    plain = SynthSpec()
    late = ("calibration_pitch_deg", "calibration_focal", "exposure", "camera", "lidar", "imu")
    kept = [name for name in late if getattr(spec, name) != getattr(plain, name)]
    return sorted((name, value) for name, value in asdict(spec).items() if name not in late or name in kept)


def _ego(t_s: float) -> tuple[float, float, float]:
    """Where our vehicle is (x, y) and its yaw: constant speed, swaying a little in its lane."""
    yaw = np.arctan2(_SWAY_M * _SWAY_RAD_PER_S * np.cos(_SWAY_RAD_PER_S * t_s), SPEED_M_PER_S)
    return SPEED_M_PER_S * t_s, OUR_LANE_Y_M + _SWAY_M * float(np.sin(_SWAY_RAD_PER_S * t_s)), float(yaw)


def _motion(t_N: Floats) -> Floats:
    """The derivatives of `_ego`, N x 4: yaw rate, acceleration forward and to the left of the vehicle, speed."""
    vx_N, vy_N = np.full_like(t_N, SPEED_M_PER_S), _SWAY_M * _SWAY_RAD_PER_S * np.cos(_SWAY_RAD_PER_S * t_N)
    ay_N = -_SWAY_M * _SWAY_RAD_PER_S**2 * np.sin(_SWAY_RAD_PER_S * t_N)
    speed_N = np.hypot(vx_N, vy_N)
    return np.stack([vx_N * ay_N / speed_N**2, ay_N * vy_N / speed_N, ay_N * vx_N / speed_N, speed_N], axis=1)
