"""How a lidar's stamps lie to a camera's, and whether frames find a sweep near enough to be labelled by it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.core.units import duration_text
from drivetrain.data.arrays import Bytes, Ints
from drivetrain.data.build import TOLERANCE_NS
from drivetrain.data.health.findings import Finding
from drivetrain.data.health.thresholds import OffsetLimits
from drivetrain.data.log import Log, Stream
from drivetrain.data.sync import nearest


@dataclass(frozen=True, slots=True)
class Offset:
    """How a lidar's stamps lie to a camera's.

    Attributes:
      median_ms: lidar minus camera, from each message of the slower stream to the nearest of the faster.
      phase_ms: the same, modulo the faster stream's period: 0 .. period_ms.
      period_ms: of the faster stream.
      joined_pct: frames with a sweep within the tolerance of `build_dataset`, in per cent of those that overlap the
        lidar in time.
    """

    camera: str
    lidar: str
    median_ms: float
    phase_ms: float
    period_ms: float
    joined_pct: float


def offsets_of(log: Log) -> list[Offset]:
    """One for each camera and lidar that have two messages or more."""
    lidars = log.of_kind("lidar")
    return [_offset(camera, lidar) for camera in log.cameras for lidar in lidars if min(len(camera), len(lidar)) > 1]


def offset_finding(offset: Offset, limits: OffsetLimits) -> Finding:
    """Whether the two can be joined, and whether joining by index would go wrong."""
    name = f"{offset.camera} and {offset.lidar}"
    evidence = {"median_ms": round(offset.median_ms, 3), "joined_pct": round(offset.joined_pct, 2)}
    if offset.joined_pct < limits.joined_fail_pct:
        text = f"only {offset.joined_pct:.0f} % of frames have a sweep within {duration_text(TOLERANCE_NS)}"
        return Finding("offset", name, "fail", text, evidence)
    text = f"stamps lie {offset.median_ms:+.1f} ms apart: join by time, never by index"
    return Finding("offset", name, "warn" if abs(offset.median_ms) > limits.apart_warn_ms else "ok", text, evidence)


def _offset(camera: Stream[Bytes], lidar: Stream[object]) -> Offset:
    slow, fast, sign = (lidar, camera, -1) if len(lidar) <= len(camera) else (camera, lidar, 1)
    period_ns = max(1, int(np.median(np.diff(np.sort(fast.t_ns)))))
    joined = nearest(slow.t_ns, fast.t_ns, tolerance_ns=period_ns)
    found = joined.index_N >= 0
    median_ns = sign * float(np.median(joined.offset_N_ns[found])) if found.any() else float("nan")
    overlap = _overlapping(camera.t_ns, lidar.t_ns)
    within = nearest(overlap, lidar.t_ns, tolerance_ns=TOLERANCE_NS)
    joined_pct = 100 * (1 - within.num_missed / len(overlap)) if len(overlap) else 0.0
    phase_ms = median_ns % period_ns / 1e6
    return Offset(camera.name, lidar.name, median_ns / 1e6, phase_ms, period_ns / 1e6, joined_pct)


def _overlapping(query_t_ns: Ints, reference_t_ns: Ints) -> Ints:
    first, last = reference_t_ns.min() - TOLERANCE_NS, reference_t_ns.max() + TOLERANCE_NS
    inside: Ints = query_t_ns[(query_t_ns >= first) & (query_t_ns <= last)]
    return inside
