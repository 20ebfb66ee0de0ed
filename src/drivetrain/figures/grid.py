"""Images in a grid, each with its caption; everything they need is inside the markup."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from drivetrain.figures.svg import Markup, element

_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # start-of-frame segments of ITU T.81, table B.1
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD8)})  # without a length


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG and the words under it; `jpeg` holds the file's bytes."""

    caption: str
    jpeg: bytes


def image_grid(pictures: Sequence[Picture]) -> Markup:
    """Pictures as HTML figures that flow into as many columns as fit: wide ones in one, square ones in several.

    HTML rather than SVG, so that captions wrap and a reader can save a single picture.

    Raises: ValueError: one of them is no whole JPEG; `jpeg_size` tells beforehand.
    """
    return element("div", *map(_figure, pictures), class_="grid")


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels, or None when the bytes are no whole JPEG: header missing or end cut off."""
    if data[:2] != b"\xff\xd8" or b"\xff\xd9" not in data[-64:]:
        return None
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF or marker in _BARE_MARKERS:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAME_MARKERS:
            height, width = int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
            return (width, height) if width and height else None
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def embedded_bytes(num_bytes: int) -> int:
    """How many characters a file of this size takes inside a page."""
    return 4 * ((num_bytes + 2) // 3)


def _figure(picture: Picture) -> Markup:
    size = jpeg_size(picture.jpeg)
    if size is None:
        raise ValueError(f"the picture {picture.caption!r} is no whole JPEG")
    source = "data:image/jpeg;base64," + base64.b64encode(picture.jpeg).decode("ascii")
    image = element("img", src=source, width=size[0], height=size[1], alt=picture.caption)
    wide = "wide" if size[0] > 2.2 * size[1] else None
    return element("figure", image, element("figcaption", picture.caption), class_=wide)
