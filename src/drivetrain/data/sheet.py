"""A picture of samples for people: each image beside its labels."""

from __future__ import annotations

import cv2
import numpy as np

from drivetrain.core.errors import DataError
from drivetrain.data.arrays import Bytes
from drivetrain.data.classes import colour_labels
from drivetrain.data.dataset import DataSet
from drivetrain.data.log import Log

_NUM_SHOWN, _NUM_COLUMNS = 12, 2


def contact_sheet(dataset: DataSet, *, num_shown: int = _NUM_SHOWN) -> Bytes:
    """Samples spread evenly over the data set, image | labels, two to a row; RGB, HW3.

    Raises: SampleError: one of them is damaged.
    """
    samples = (dataset.read(row) for row in _spread(len(dataset), num_shown))
    return _tiled([np.hstack([sample.image, colour_labels(sample.label)]) for sample in samples])


def log_sheet(log: Log, *, num_shown: int = _NUM_SHOWN, width: int = 320) -> Bytes:
    """Frames of a log's first camera spread evenly over the drive; RGB, HW3.

    Raises: DataError: the log has no camera, or one of its frames is damaged.
    """
    if not log.cameras:
        raise DataError(f"log {log.name} has no camera to draw", hint=f"it has {', '.join(sorted(log.streams))}")
    camera = log.cameras[0]
    frames = [camera.read(number) for number in _spread(len(camera), num_shown)]
    height = round(width * frames[0].shape[0] / frames[0].shape[1])
    return _tiled([np.asarray(cv2.resize(f, (width, height), interpolation=cv2.INTER_AREA), np.uint8) for f in frames])


def encode_png(picture: Bytes) -> bytes:
    """PNG bytes of an RGB picture."""
    return cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))[1].tobytes()


def _spread(num_things: int, num_shown: int) -> list[int]:
    """At most `num_shown` of 0 .. num_things-1, evenly spread, first and last among them."""
    spread: list[int] = np.unique(np.linspace(0, num_things - 1, num_shown).round().astype(int)).tolist()
    return spread


def _tiled(tiles: list[Bytes]) -> Bytes:
    while len(tiles) % _NUM_COLUMNS:
        tiles.append(np.zeros_like(tiles[0]))
    return np.vstack([np.hstack(tiles[i : i + _NUM_COLUMNS]) for i in range(0, len(tiles), _NUM_COLUMNS)])
