"""How near a trace comes to what its device can hold and compute, by the analyses of `profile`. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.profile import NONE, Trace
from drivetrain.profile.analyse import (
    Counted,
    DeviceMemory,
    HostTree,
    MemoryOwner,
    Peak,
    arithmetic,
    memory,
    peak_of,
)
from drivetrain.report.profile.facts import Memory, Named
from drivetrain.report.profile.looks import device_name
from drivetrain.report.profile.story import Roofline, RooflinePoint

_MOST_OWNERS = 40
_MOST_POINTS = 60
_LINE_POINTS = 800


@dataclass(frozen=True, slots=True)
class Held:
    """Memory at its fullest, and over time: (ns, bytes)."""

    memory: Memory | None = None
    line: tuple[tuple[float, float], ...] = ()


def held_memory(trace: Trace, tree: HostTree) -> Held:
    """Of the accelerator that held most; of the host where no accelerator is told of."""
    found = memory(trace, tree=tree)
    if not found:
        return Held()
    fullest = max(found, key=lambda one: (one.device != NONE, one.peak_bytes))
    capacity = {device.index: device.memory_bytes for device in trace.origin.devices}.get(fullest.device, 0)
    owners = tuple(Named(_owner_name(one), one.num_blocks, 0, one.size_bytes) for one in fullest.owners[:_MOST_OWNERS])
    return Held(Memory(fullest.peak_bytes, capacity, owners), _line(fullest))


def _owner_name(one: MemoryOwner) -> str:
    return f"{one.category.value}: {one.operator}" if one.operator else one.category.value


def _line(found: DeviceMemory) -> tuple[tuple[float, float], ...]:
    """Few points that keep every peak: the least and the most of each of many stretches."""
    num = len(found.ts_ns)
    first = np.unique(np.linspace(0, num, _LINE_POINTS // 2, endpoint=False).astype(np.int64))
    lows, highs = np.minimum.reduceat(found.held_bytes, first), np.maximum.reduceat(found.held_bytes, first)
    at_ns = found.ts_ns[first].tolist()
    return tuple(
        (float(at), float(held))
        for at, low, high in zip(at_ns, lows.tolist(), highs.tolist(), strict=True)
        for held in ((low, high) if high > low else (low,))
    )


def roofline_of(trace: Trace, tree: HostTree) -> Roofline | None:
    """Operators with known arithmetic, under the roof of the device; None where none is known."""
    found = arithmetic(trace, tree=tree)
    flops_per_step = found.flops_per_step
    if flops_per_step is None or not found.known_us:
        return None
    peak = peak_of(device_name(trace))
    top = peak.flops_per_s(found.dtype) if peak is not None else None
    points = tuple(_point(one, found.known_us, peak) for one in found.counted[:_MOST_POINTS])
    return Roofline(
        mfu=found.mfu(top) if top else None,
        flops_per_step=flops_per_step,
        peak_flops_per_s=top or 0.0,
        bytes_per_s=peak.memory_bytes_per_s if peak is not None else 0.0,
        dtype=found.dtype,
        source=peak.source if peak is not None else "",
        unknown_share=found.unknown_us / (found.unknown_us + found.known_us),
        points=points,
    )


def _point(one: Counted, known_us: float, peak: Peak | None) -> RooflinePoint:
    top = peak.flops_per_s(one.dtype) if peak is not None else None
    return RooflinePoint(
        name=f"{one.name} {one.dims}".strip(),
        dtype=one.dtype,
        flops_per_byte=one.flops_per_byte or 0.0,
        flops_per_s=one.flops_per_s or 0.0,
        of_peak=(one.flops_per_s or 0.0) / top if top else None,
        share=one.time_us / known_us,
    )
