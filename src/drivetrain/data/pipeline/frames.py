"""Camera frames of a log as the source of a pipeline."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import overload

import numpy as np

from drivetrain.core.errors import DataError
from drivetrain.data.arrays import Ints
from drivetrain.data.log import Log
from drivetrain.data.pipeline.code import module_version
from drivetrain.data.pipeline.description import Opened, Source
from drivetrain.data.pipeline.item import Item, Unread
from drivetrain.data.sources import open_log

_UNFIT = re.compile(r"[^0-9A-Za-z_+=@,/-]")  # what a sample's key may not have


@dataclass(frozen=True)
class Frames(Source):
    """Every frame of every camera of a log, by time and then by key.

    Items are called CAMERA-LABEL. Parts, unread: `image` (uint8, HW3, RGB) and `pose` (of the camera). Columns: `t_ns`,
    `log` (its name), `camera`, `fx fy cx cy width height` (its intrinsics at the recorded size, pixels), `tags` (none).
    Poses and intrinsics are left out where the log has none.

    Attributes:
      log: its path, or `synth`; or an opened log, which threads alone can use.
    """

    log: str | Path | Log

    def open(self) -> Opened:
        """Find the frames. Raises DataError: there is no such log, or it has no camera."""
        log = self.log if isinstance(self.log, Log) else open_log(self.log)
        if not log.cameras:
            raise DataError(f"log {log.name} has no camera", hint=f"it has {', '.join(sorted(log.streams))}")
        return Opened(log.name, _Items(log), log.content_hash, _reader_version(log), log)

    @property
    def is_portable(self) -> bool:
        """Whether it is named by its path."""
        return not isinstance(self.log, Log)


class _Items(Sequence[Item]):
    def __init__(self, log: Log) -> None:
        self._log = log
        camera_N = np.concatenate([np.full(len(camera), i) for i, camera in enumerate(log.cameras)])
        frame_N = np.concatenate([np.arange(len(camera)) for camera in log.cameras])
        t_N_ns = np.concatenate([camera.t_ns for camera in log.cameras])
        keys = np.array([_key(log, i, frame) for i, frame in zip(camera_N, frame_N, strict=True)])
        order: Ints = np.lexsort((keys, t_N_ns))
        self._camera_N, self._frame_N = camera_N[order], frame_N[order]

    def __len__(self) -> int:
        return len(self._frame_N)

    @overload
    def __getitem__(self, at: int) -> Item: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Item]: ...
    def __getitem__(self, at: int | slice) -> Item | Sequence[Item]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        which, frame = int(self._camera_N[at]), int(self._frame_N[at])
        camera = self._log.cameras[which]
        parts = {"image": Unread(camera.name, frame)}
        pose = f"pose/{camera.name.partition('/')[2]}"
        if pose in self._log.streams:
            parts["pose"] = Unread(pose, frame)
        lens = self._log.intrinsics.get(camera.name)
        columns = {
            "t_ns": int(camera.t_ns[frame]),
            "log": self._log.name,
            "camera": camera.name,
            **({} if lens is None else asdict(lens)),
            "tags": [],
        }
        return Item(_key(self._log, which, frame), at, parts, columns)


def _key(log: Log, camera: int, frame: int) -> str:
    stream = log.cameras[camera]
    name = stream.name.partition("/")[2] or stream.name
    return _UNFIT.sub("_", f"{name}-{stream.labels[frame]}")


def _reader_version(log: Log) -> str:
    """The version of the code that reads this log's format."""
    module = getattr(log.content_hash, "__module__", None)
    return module_version(module) if module in sys.modules else log.source
