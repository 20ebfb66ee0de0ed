"""A drive log: named streams, each at its own rate, stamped in nanoseconds, read lazily; and where a camera looks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, Literal, TypeVar, cast, overload

import numpy as np

from drivetrain.core.errors import DataError
from drivetrain.core.units import NS_PER_S
from drivetrain.data.arrays import Bytes, Floats, Ints

Kind = Literal["camera", "lidar", "pose", "boxes", "point_labels", "pixel_labels", "scalars", "lanes", "message"]
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

    @property
    def is_valid(self) -> bool:
        """Whether anything can be projected with these numbers."""
        finite = all(map(math.isfinite, (self.fx, self.fy, self.cx, self.cy)))
        return finite and min(self.fx, self.fy) > 0 and min(self.width, self.height) >= 1

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
    """A 3D box around one thing at one time.

    Attributes:
      label: what it is, in the source's words.
      centre: x, y, z in metres, world.
      size: length x width x height, metres.
      yaw: about +z, radians.
      track: the same for one thing through a log; empty where the source does not follow things.
      velocity: x, y in metres per second, world; None where the source does not say.
    """

    label: str
    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    yaw: float
    track: str = ""
    velocity: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a kind that we give no meaning to.

    Attributes:
      schema: the name of its type, such as `sensor_msgs/msg/Imu`; empty where the log does not say.
      encoding: of the data, such as `cdr` or `json`.
      data: as recorded.
      decoded: plain values by field, nested; None where the schema is missing or not one that we decode.
      definition: of the schema, as recorded; empty where the log has none.
      definition_encoding: of the definition, such as `ros2msg` or `jsonschema`.
    """

    schema: str
    encoding: str
    data: bytes
    decoded: Mapping[str, object] | None = None
    definition: bytes = b""
    definition_encoding: str = ""


@dataclass(frozen=True, eq=False)
class Lane:
    """One piece of a lane, in travel direction.

    Attributes:
      name: unique in its map.
      left_N2, right_N2: its borders, metres, world, float64; the same number of points on both.
      successors: lanes that follow on.
      left, right: the neighbour on that side that goes the same way; empty where there is none.
      speed_limit_m_per_s: None where it is not known.
    """

    name: str
    left_N2: Floats
    right_N2: Floats
    successors: tuple[str, ...] = ()
    left: str = ""
    right: str = ""
    speed_limit_m_per_s: float | None = None

    @property
    def centre_N2(self) -> Floats:
        """The middle of its borders, point by point."""
        centre: Floats = (self.left_N2 + self.right_N2) / 2
        return centre


@dataclass(frozen=True, slots=True)
class Counted(Sequence[str]):
    """Labels of messages that have no names of their own: `0`, `1`, ... made when they are asked for."""

    num_labels: int

    def __len__(self) -> int:
        return self.num_labels

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        found = range(self.num_labels)[index]
        return str(found) if isinstance(found, int) else [str(number) for number in found]


@dataclass(frozen=True, eq=False)
class Stream(Generic[T_co]):
    """One sensor's messages in the order in which the log keeps them.

    Attributes:
      name: unique in the log, such as `camera/front_camera`.
      kind: what `read` gives: camera an RGB image (uint8, HW3), lidar points in world metres (N3), pose a Pose, boxes
        a tuple of Box, point_labels the source's class per point of the sweep with the same stamp (uint8, N),
        pixel_labels exact driving groups per pixel (uint8, HW; only generated drives have them), scalars one float64
        for each of `fields`, lanes a tuple of Lane (a map is a stream of one message), message a Message.
      frame: coordinates it speaks in: `world`, `ecef`, `vehicle` or a sensor's name; empty where it has none.
      t_ns: one UTC stamp per message, int64; as recorded, so possibly unsorted or repeated.
      read: message number i (an index into `t_ns`); may be called from any thread. Raises SampleError.
      labels: what each message is called, such as its file's stem.
      num_listed: how many messages the log's own list promises; more than `t_ns` has when files are absent.
      fields: of scalars, what each number is; units end names (`speed_m_per_s`).
      values: of scalars, all messages at once (float64, N x number of fields); None where only `read` can tell.
      jpeg: of cameras, message number i as the JPEG file that was recorded, not looked at; None where the log has none.
    """

    name: str
    kind: Kind
    frame: str
    t_ns: Ints
    read: Callable[[int], T_co]
    labels: Sequence[str]
    num_listed: int
    fields: tuple[str, ...] = ()
    values: Callable[[], Floats] | None = None
    jpeg: Callable[[int], bytes] | None = None

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.t_ns):
            raise ValueError(f"stream {self.name} has {len(self.t_ns)} stamps but {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.t_ns)

    @property
    def rate_hz(self) -> float:
        """Messages per second by the median distance of stamps; 0 when there are fewer than two.

        Where messages come in bursts (that distance is below a tenth of the mean one), by the mean distance.
        """
        if len(self) < 2:
            return 0.0
        period_ns = float(np.median(np.abs(np.diff(self.t_ns))))
        mean_ns = float(self.t_ns.max() - self.t_ns.min()) / (len(self) - 1)
        period_ns = mean_ns if period_ns < mean_ns / 10 else period_ns
        return NS_PER_S / period_ns if period_ns else 0.0

    @property
    def time_range_ns(self) -> tuple[int, int] | None:
        """The smallest and the largest stamp; None when there is no message."""
        return (int(self.t_ns.min()), int(self.t_ns.max())) if len(self) else None


def scalar_stream(
    name: str, fields: tuple[str, ...], t_ns: Ints, values: Callable[[], Floats], *, frame: str = ""
) -> Stream[Floats]:
    """A stream of numbers that are all at hand, or soon; message i is row i.

    Args:
      name, fields, t_ns, frame: as in `Stream`.
      values: float64, as many rows as stamps and as many columns as fields; called at each read, so it should keep
        what costs time to make.
    """
    return Stream(
        name=name,
        kind="scalars",
        frame=frame,
        t_ns=t_ns,
        read=lambda i: cast(Floats, values()[i]),
        labels=Counted(len(t_ns)),
        num_listed=len(t_ns),
        fields=fields,
        values=values,
    )


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
      notes: what the reader had to leave out or could not find, a sentence each; empty where the log is whole.
    """

    name: str
    source: str
    content_hash: Callable[[], str]
    streams: Mapping[str, Stream[object]]
    intrinsics: Mapping[str, Intrinsics]
    class_names: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

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
