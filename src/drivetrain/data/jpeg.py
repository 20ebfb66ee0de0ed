"""Pixels <-> JPEG bytes, and label maps <-> PNG bytes, with errors that name where the bytes came from."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import simplejpeg

from drivetrain.core.errors import SampleError
from drivetrain.data.arrays import Bytes

_MOST_PIXELS = 1 << 27  # of one image; a header that claims more is damaged
_QUALITY = 92  # at 256x144 about 24 kB; the loss is below the sensor's own noise


def encode_jpeg(image_HW3: Bytes, *, quality: int = _QUALITY) -> bytes:
    """JPEG bytes of an RGB image."""
    pixels = np.ascontiguousarray(image_HW3)
    return bytes(simplejpeg.encode_jpeg(pixels, quality=quality, colorspace="RGB", colorsubsampling="420"))


def decode_jpeg(data: bytes, *, where: str) -> Bytes:
    """RGB pixels, HW3.

    Args:
      data: a whole JPEG file.
      where: names the bytes in errors.
    Raises: SampleError: not a JPEG, or cut short, or damaged in a way the codec notices.
    """
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
        if height * width > _MOST_PIXELS:
            raise SampleError(f"{where} claims {width}x{height} pixels, more than any camera has ({len(data)} bytes)")
        pixels: Bytes = simplejpeg.decode_jpeg(data, colorspace="RGB")
    except ValueError as exc:
        raise SampleError(f"{where} is not a whole JPEG ({len(data)} bytes): {exc}") from exc
    return pixels


def encode_labels(label_HW: Bytes) -> bytes:
    """PNG bytes of a label map; lossless."""
    return cv2.imencode(".png", label_HW, [cv2.IMWRITE_PNG_COMPRESSION, 6])[1].tobytes()


def decode_labels(data: bytes, *, where: str) -> Bytes:
    """The label map, HW. Raises SampleError when the bytes are no PNG of one 8-bit channel."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if pixels is None or pixels.ndim != 2 or pixels.dtype != np.uint8:
        raise SampleError(f"{where} is not an 8-bit grey PNG ({len(data)} bytes)")
    return cast(Bytes, pixels)
