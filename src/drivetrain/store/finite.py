"""Whether numbers in memory are all finite, quickly and without torch."""

from __future__ import annotations

from typing import Any

_LARGEST_BITS = {"bfloat16": ("uint16", 0x7F80), "float16": ("uint16", 0x7C00)} | {
    "float8_e4m3fn": ("uint8", 0x7F),
    "float8_e5m2": ("uint8", 0x7C),
}
"""Of types that numpy has not or is slow with: an unsigned type as wide, and where infinity and NaN begin in it."""

_WIDE = {"float32": "float32", "float64": "float64", "complex64": "float32", "complex128": "float64"}


def are_finite(data: memoryview, dtype: str) -> bool:
    """Whether bytes that are numbers of a type (torch's name) are all finite; whole numbers are."""
    import numpy as np

    if not len(data):
        return True
    if dtype in _WIDE:
        values: Any = np.frombuffer(data, _WIDE[dtype])
        return bool(
            np.isfinite(values.max()) and np.isfinite(values.min())
        )  # a NaN is both: quicker than each by itself
    if dtype in _LARGEST_BITS:
        kind, limit = _LARGEST_BITS[dtype]
        bits = np.frombuffer(data, kind)
        return bool((bits & (0x7F if kind == "uint8" else 0x7FFF)).max() < limit)
    return True
