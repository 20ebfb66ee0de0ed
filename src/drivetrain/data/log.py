"""A drive log: named streams, each at its own rate, stamped in nanoseconds, read lazily; and where a camera looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, Literal, TypeVar, cast

import numpy as np

from drivetrain.core.errors import DataError
from drivetrain.core.units import NS_PER_S
from drivetrain.data.arrays import Bytes, Floats, Ints

Kind = Literal["camera", "lidar", "pose", "boxes", "point_labels", "pixel_labels"]
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """A pinhole camera without distortion.

    Whole pixel coordinates are pixel centres: the image spans -0.5 .. width-0.5, and a point at (u, v) falls on pixel
    (round u, round v).

    Attributes:
      fx, fy: focal lengths in pixels.
      cx, cy: where the optical axis meets the image, in pixels.
      width, height: of the image, in pixels.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def resized(self, width: int, height: int) -> Intrinsics:
        """The same camera after its image was resized, so that every world point stays on the thing it was on."""
        scale_x, scale_y = width / self.width, height / self.height
        return Intrinsics(
            fx=self.fx * scale_x,
            fy=self.fy * scale_y,
            cx=(self.cx + 0.5) * scale_x - 0.5,
            cy=(self.cy + 0.5) * scale_y - 0.5,
            width=width,
            height=height,
        )


@dataclass(frozen=True)
class Pose:
    """Where a sensor is and how it is turned: p_world = R p_sensor + position.

    Attributes:
      position: x, y, z in metres, world.
      heading: unit quaternion w, x, y, z; it is normalised when used.
    """

    position: tuple[float, float, float]
    heading: tuple[float, float, float, float]

    @property
    def is_valid(self) -> bool:
        """Whether every number is finite and the quaternion has a direction."""
        return bool(np.isfinite([*self.position, *self.heading]).all() and np.linalg.norm(self.heading) > 1e-6)

    @cached_property
    def rotation(self) -> Floats:
        """The 3 x 3 matrix R, float64."""
        w, x, y, z = np.asarray(self.heading, np.float64) / np.linalg.norm(self.heading)
        return np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        )


@dataclass(frozen=True, slots=True)
class Box:
    """A 3D box around one thing: world metres, length x width x height, yaw about +z in radians."""

    label: str
    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    yaw: float


@dataclass(frozen=True, eq=False)
class Stream(Generic[T_co]):
    """One sensor's messages in the order in which the log keeps them.

    Attributes:
      name: unique in the log, such as `camera/front_camera`.
      kind: what `read` gives: camera an RGB image (uint8, HW3), lidar points in world metres (N3), pose a Pose, boxes
        a tuple of Box, point_labels the source's class per point of the sweep with the same stamp (uint8, N),
        pixel_labels exact driving groups per pixel (uint8, HW; only generated drives have them).
      frame: coordinates it speaks in: `world` or a sensor's name.
      t_ns: one UTC stamp per message, int64; as recorded, so possibly unsorted or repeated.
      read: message number i (an index into `t_ns`); may be called from any thread. Raises SampleError.
      labels: what each message is called, such as its file's stem.
      num_listed: how many messages the log's own list promises; more than `t_ns` has when files are absent.
    """

    name: str
    kind: Kind
    frame: str
    t_ns: Ints
    read: Callable[[int], T_co]
    labels: tuple[str, ...]
    num_listed: int

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.t_ns):
            raise ValueError(f"stream {self.name} has {len(self.t_ns)} stamps but {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.t_ns)

    @property
    def rate_hz(self) -> float:
        """Messages per second by the median distance of stamps; 0 when there are fewer than two."""
        period_ns = float(np.median(np.abs(np.diff(self.t_ns)))) if len(self) > 1 else 0.0
        return NS_PER_S / period_ns if period_ns else 0.0


@dataclass(frozen=True, eq=False)
class Log:
    """One drive: streams at their native rates, cameras' intrinsics, and what the classes of points are called.

    Attributes:
      name: what people call it.
      source: which reader opened it.
      content_hash: reads all of the log; its hash changes when anything in it does.
      streams: by name. The camera `camera/X` has its pose, message by message, in `pose/X`; `lidar/X` has its classes
        in `point_labels/X`.
      intrinsics: by the name of the camera's stream; at the size of its images.
      class_names: class number of a point -> its name in the source.
    """

    name: str
    source: str
    content_hash: Callable[[], str]
    streams: Mapping[str, Stream[object]]
    intrinsics: Mapping[str, Intrinsics]
    class_names: Mapping[int, str] = field(default_factory=dict)

    def of_kind(self, kind: Kind) -> list[Stream[object]]:
        """All streams of a kind, by name."""
        return [stream for _, stream in sorted(self.streams.items()) if stream.kind == kind]

    @property
    def cameras(self) -> list[Stream[Bytes]]:
        """Camera streams, by name."""
        return cast(list[Stream[Bytes]], self.of_kind("camera"))

    @property
    def num_frames(self) -> int:
        """Camera frames in all."""
        return sum(len(camera) for camera in self.cameras)

    def poses_of(self, camera: Stream[Bytes]) -> Stream[Pose]:
        """The poses of a camera, one per frame. Raises DataError when the log has none."""
        return cast(Stream[Pose], self._beside(camera.name, "pose"))

    def lidar(self) -> Stream[Floats]:
        """The lidar whose points label images: the first by name. Raises DataError when there is none."""
        found = self.of_kind("lidar")
        if not found:
            raise DataError(f"log {self.name} has no lidar stream", hint=f"it has {', '.join(sorted(self.streams))}")
        return cast(Stream[Floats], found[0])

    def labels_of(self, lidar: Stream[Floats]) -> Stream[Bytes]:
        """Classes per point for sweeps of a lidar. Raises DataError when the log has none."""
        return cast(Stream[Bytes], self._beside(lidar.name, "point_labels"))

    def _beside(self, name: str, kind: Kind) -> Stream[object]:
        wanted = f"{kind}/{name.partition('/')[2]}"
        if wanted not in self.streams:
            have = ", ".join(sorted(self.streams))
            raise DataError(f"log {self.name} has no stream {wanted} for {name}", hint=f"it has {have}")
        return self.streams[wanted]
