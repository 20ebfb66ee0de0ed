"""All checks of a log, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import cast

import numpy as np

from drivetrain.core.errors import SampleError
from drivetrain.data.health.alignment import alignment_finding, alignments_of
from drivetrain.data.health.calibration import calibration_findings
from drivetrain.data.health.clocks import clock_findings, compare_clocks
from drivetrain.data.health.content import content_findings
from drivetrain.data.health.findings import Finding
from drivetrain.data.health.labels import label_findings
from drivetrain.data.health.looks import look_into
from drivetrain.data.health.numbers import number_findings, sketches_of_log
from drivetrain.data.health.offset import offset_finding, offsets_of
from drivetrain.data.health.regularity import stamp_findings, stream_healths
from drivetrain.data.health.report import HealthReport, Seen
from drivetrain.data.health.thresholds import Thresholds
from drivetrain.data.log import Log, Pose, Stream

NUM_LOOKS = 4
"""Pairs of frames and sweeps that are decoded by default: enough to tell a turn of 0.1 degree."""

Progress = Callable[[int, str], None]


def check(
    log: Log,
    *,
    thresholds: Thresholds | None = None,
    num_looks: int = NUM_LOOKS,
    on_progress: Progress | None = None,
) -> HealthReport:
    """Look for what is wrong with a log: its stamps, clocks, numbers, calibration, pixels, points and labels.

    Args:
      log: any; a check that finds nothing to look at is left out.
      thresholds: from where on something is wrong; `load_thresholds` reads them.
      num_looks: how many pairs of frames and of sweeps are decoded; with 0 none, which takes a fraction of a second.
      on_progress: called with how many frames and sweeps were decoded.
    """
    limits = thresholds or Thresholds()
    log, unreadable = _held(log)
    streams, offsets = stream_healths(log), offsets_of(log)
    clocks, unknown = compare_clocks(log, limits.clock)
    looks = look_into(log, num_looks, on_progress)
    alignments = alignments_of(log, looks)
    findings = [
        *unreadable,
        *stamp_findings(streams, log, limits.stamps),
        *(offset_finding(offset, limits.offset) for offset in offsets),
        *number_findings(log, limits.values),
        *clock_findings(clocks, unknown, limits.clock),
        *calibration_findings(log, looks),
        *(alignment_finding(alignment, limits.calibration) for alignment in alignments),
        *content_findings(looks, limits.values, limits.exposure),
        *label_findings(log, looks, limits.labels),
    ]
    seen = Seen(clocks, alignments, looks)
    return HealthReport(log.name, tuple(streams), tuple(offsets), tuple(findings), sketches_of_log(log), seen)


def _held(log: Log) -> tuple[Log, list[Finding]]:
    """The log with its poses and scalars read once and held, and a finding for each stream that cannot be read whole.

    A pose that cannot be read becomes one that is not finite; scalars that cannot be read are left out.
    """
    streams, found = dict(log.streams), []
    for stream in log.of_kind("pose"):
        streams[stream.name], reasons = _held_poses(cast(Stream[Pose], stream))
        found += _unreadable(stream, reasons)
    for stream in log.of_kind("scalars"):
        if stream.values is not None:
            try:
                values_NF = stream.values()
            except SampleError as exc:
                found += _unreadable(stream, [exc.message])
                del streams[stream.name]
            else:
                streams[stream.name] = replace(stream, values=partial(np.asarray, values_NF, np.float64))
    return replace(log, streams=streams), found


def _held_poses(stream: Stream[Pose]) -> tuple[Stream[object], list[str]]:
    rows_N7, reasons = np.full((len(stream), 7), np.nan), []
    for index in range(len(stream)):
        try:
            pose = stream.read(index)
            rows_N7[index] = (*pose.position, *pose.heading)
        except SampleError as exc:
            reasons.append(exc.message)

    def read(index: int) -> Pose:
        x, y, z, *heading = rows_N7[index].tolist()
        return Pose((x, y, z), (heading[0], heading[1], heading[2], heading[3]))

    return replace(cast(Stream[object], stream), read=read), reasons


def _unreadable(stream: Stream[object], reasons: list[str]) -> list[Finding]:
    if not reasons:
        return []
    text = f"{len(reasons)} of {len(stream)} messages cannot be read; the first: {reasons[0]}"
    return [Finding("readable", stream.name, "fail", text, {"num_unreadable": len(reasons)})]
