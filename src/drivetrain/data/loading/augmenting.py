"""The seam to augmentation: a sample is changed with chance that comes from (seed, epoch, sample) alone."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from typing import Any, Protocol

import cv2
import numpy as np

from drivetrain.data.codec import codec_of
from drivetrain.data.loading.decoding import ImageSize
from drivetrain.data.log import Intrinsics

_LENS = ("fx", "fy", "cx", "cy", "width", "height")


class Augment(Protocol):
    """A change of a sample, such as `augment.Augmentation`. Called from any thread."""

    def __call__(
        self, parts: Mapping[str, Any], columns: Mapping[str, Any], rng: np.random.Generator, /
    ) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """The changed parts, by name without ending, and columns; a pure function of all three.

        Raises: SampleError: it cannot be done to this sample.
        """
        ...


def at_size(columns: Mapping[str, Any], size: ImageSize | None) -> Mapping[str, Any]:
    """Columns of a sample whose images were resized: those that say what the lens is follow."""
    if size is None or any(columns.get(name) is None for name in _LENS):
        return columns
    lens = Intrinsics(*(columns[name] for name in _LENS)).resized(size.width, size.height)
    return ChainMap({name: getattr(lens, name) for name in _LENS}, columns)  # type: ignore[arg-type]  # only read


def mirrored(parts: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Parts with images and label maps turned left to right; `names` has each part's name with its ending."""
    return {
        stem: cv2.flip(value, 1) if codec_of(names[stem]) in ("jpg", "png") else value for stem, value in parts.items()
    }
