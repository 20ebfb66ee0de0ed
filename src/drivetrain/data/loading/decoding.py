"""Bytes of a part -> an array, decoded straight into the memory that it is to fill, at another size if asked."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from drivetrain.core.errors import SampleError
from drivetrain.data.arrays import Bytes
from drivetrain.data.codec import codec_of, decode
from drivetrain.data.loading.draft import Room

_MOST_PIXELS = 1 << 27  # a file may claim any size: 400 MB are more than any camera's


@dataclass(frozen=True, slots=True)
class ImageSize:
    """All images of batches at one size: `jpg` parts averaged over areas, of `png` parts the nearest pixel.

    Attributes:
      width, height: in pixels.
      exact: decode all pixels and average them. Without it the JPEG decoder leaves out the frequencies that the small
        image cannot show, down to a half, a quarter or an eighth, and only the rest is averaged: quicker, and off by a
        grey level or so.
    """

    width: int
    height: int
    exact: bool = True

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 1 or self.width * self.height > _MOST_PIXELS:
            raise ValueError(f"images of {self.width} x {self.height} pixels cannot be made")


class Decoder:
    """Decodes parts; any thread may call, and each has memory of its own for images that are then resized."""

    def __init__(self, size: ImageSize | None) -> None:
        """Allocates nothing yet."""
        self._size = size
        self._own = threading.local()

    def decode(self, part: str, data: bytes, *, where: str, room: Room) -> Any:
        """The value of a part.

        Args:
          part: its name, whose ending names the codec.
          data: its bytes.
          where: names the bytes in errors.
          room: gives memory for pixels; other values come in memory of their own.
        Raises: SampleError: the bytes are not what the ending says.
        """
        codec = codec_of(part)
        if codec == "jpg":
            return self._image(data, where, room)
        value = decode(part, data, where=where)
        if codec == "png" and self._size is not None and isinstance(value, np.ndarray):
            wanted = (self._size.width, self._size.height)
            value = cv2.resize(value, wanted, interpolation=cv2.INTER_NEAREST_EXACT)
        return value

    def _image(self, data: bytes, where: str, room: Room) -> Bytes:
        height, width = _size_of(data, where)
        if height * width > _MOST_PIXELS:
            raise SampleError(f"{where} claims to be {width} x {height} pixels, more than any camera has")
        wanted, least = self._size, (0, 0)
        if wanted is not None and not wanted.exact:
            least = (wanted.height, wanted.width)
            height, width = _size_of(data, where, least)
        if wanted is None or (width, height) == (wanted.width, wanted.height):
            return _decode_into(data, room((height, width, 3), np.uint8), where, least)
        pixels = _decode_into(data, self._scratch(height, width), where, least)
        shrinks = wanted.width <= width and wanted.height <= height
        way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        place = room((wanted.height, wanted.width, 3), np.uint8)
        cv2.resize(pixels, (wanted.width, wanted.height), dst=place, interpolation=way)
        return place

    def _scratch(self, height: int, width: int) -> Bytes:
        held: Bytes | None = getattr(self._own, "pixels", None)
        if held is None or held.shape[:2] != (height, width):
            held = self._own.pixels = np.empty((height, width, 3), np.uint8)
        return held


def _size_of(data: bytes, where: str, least: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    """Height and width that an image is decoded at: whole, or no smaller than `least` where that is not 0."""
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data, *least, _factor(least))
    except ValueError as exc:
        raise SampleError(f"{where} is not a whole JPEG ({len(data)} bytes): {exc}") from exc
    return height, width


def _decode_into(data: bytes, place: NDArray[Any], where: str, least: tuple[int, int]) -> Bytes:
    """Decode at the size that `_size_of` tells."""
    height, width = least
    try:
        simplejpeg.decode_jpeg(data, "RGB", buffer=place, min_height=height, min_width=width, min_factor=_factor(least))
    except ValueError as exc:
        raise SampleError(f"{where} is not a whole JPEG ({len(data)} bytes): {exc}") from exc
    return place


def _factor(least: tuple[int, int]) -> float:
    """Scaling by less than a half takes longer than decoding all."""
    return 2.0 if least > (0, 0) else 1.0
