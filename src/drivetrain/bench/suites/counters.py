"""Counts the instructions of this process where the machine lets us; stands alone, for `sample.py`."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Callable

_SYSCALL = {"x86_64": 298, "aarch64": 241}
_ATTRIBUTES_BYTES = 112  # PERF_ATTR_SIZE_VER5
_HARDWARE, _INSTRUCTIONS = 0, 1
_INHERIT, _NOT_KERNEL, _NOT_HYPERVISOR = 1 << 1, 1 << 5, 1 << 6


def open_counter() -> Callable[[], int] | None:
    """A function giving the instructions of this process so far, those of threads that it starts later too.

    Returns: None where the machine has no such counter or does not let us: virtual machines mostly have none.
    Source: perf_event_open(2).
    """
    descriptor = _open()
    return None if descriptor < 0 else lambda: int(struct.unpack("=Q", os.read(descriptor, 8))[0])


def can_count() -> bool:
    """Whether the machine lets a process count its instructions."""
    descriptor = _open()
    if descriptor >= 0:
        os.close(descriptor)
    return descriptor >= 0


def _open() -> int:
    """A descriptor that counts from now on; negative where there is none."""
    number = _SYSCALL.get(platform.machine())
    if number is None:
        return -1
    attributes = bytearray(_ATTRIBUTES_BYTES)
    struct.pack_into("=IIQ", attributes, 0, _HARDWARE, _ATTRIBUTES_BYTES, _INSTRUCTIONS)
    struct.pack_into("=Q", attributes, 40, _INHERIT | _NOT_KERNEL | _NOT_HYPERVISOR)
    place = (ctypes.c_char * _ATTRIBUTES_BYTES).from_buffer(attributes)
    return int(ctypes.CDLL(None).syscall(number, ctypes.byref(place), 0, -1, -1, 0))
