"""A number that tells what an image looks like, so that near duplicates are found without looking at pixels again."""

from __future__ import annotations

import cv2
import numpy as np

from drivetrain.data.arrays import Bytes


def image_hash(image_HW3: Bytes) -> int:
    """64 bits of an RGB image: whether brightness rises from each place to the next, on a grid of 8 x 8.

    A little noise, another size or another exposure changes few bits. The number is signed, since that is what Arrow
    takes whole numbers for.
    Source: the difference hash of N. Krawetz, "Kind of like that", 2013.
    """
    grey = cv2.cvtColor(image_HW3, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey.astype(np.float32), (9, 8), interpolation=cv2.INTER_AREA)
    bits = (small[:, 1:] > small[:, :-1]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big", signed=True)
