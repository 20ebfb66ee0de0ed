"""Pixels and points: messages that cannot be read, that repeat the one before, that are badly exposed or half empty."""

from __future__ import annotations

import numpy as np

from drivetrain.data.health.findings import Finding, graded, named
from drivetrain.data.health.looks import FrameLook, Looks, SweepLook
from drivetrain.data.health.thresholds import ExposureLimits, ValueLimits


def content_findings(looks: Looks, values: ValueLimits, exposure: ExposureLimits) -> list[Finding]:
    """What is to be said of the frames and sweeps that were looked at: `readable`, `frozen`, `exposure`, `points`."""
    found = [_readable(name, num, looks.unreadable.get(name, []), values) for name, num in looks.num_read.items()]
    for camera in sorted({frame.camera for frame in looks.frames}):
        frames = [frame for frame in looks.frames if frame.camera == camera]
        found += _frozen(camera, [frame.is_repeated for frame in frames], values)
        found.append(_exposed(camera, frames, exposure))
    for lidar in sorted({sweep.lidar for sweep in looks.sweeps}):
        sweeps = [sweep for sweep in looks.sweeps if sweep.lidar == lidar]
        found += _frozen(lidar, [sweep.is_repeated for sweep in sweeps], values)
        found.append(_points(lidar, sweeps, values))
    return found


def _readable(stream: str, num_read: int, reasons: list[str], limits: ValueLimits) -> Finding:
    verdict = graded(100 * len(reasons) / max(1, num_read), 0.0, limits.bad_fail_pct)
    first = f"; the first: {reasons[0]}" if reasons else ""
    text = f"{len(reasons)} of {num_read} messages that were looked at cannot be read{first}"
    return Finding("readable", stream, verdict, text, {"num_read": num_read, "num_unreadable": len(reasons)})


def _frozen(stream: str, repeated: list[bool | None], limits: ValueLimits) -> list[Finding]:
    known = [is_repeated for is_repeated in repeated if is_repeated is not None]
    if not known:
        return []
    num_same = sum(known)
    verdict = graded(100 * num_same / len(known), 0.0, limits.frozen_fail_pct)
    text = f"{num_same} of {len(known)} messages that were looked at are the one before again, under a later stamp"
    return [Finding("frozen", stream, verdict, text, {"num_same": num_same, "num_pairs": len(known)})]


def _exposed(camera: str, frames: list[FrameLook], limits: ExposureLimits) -> Finding:
    dark = [f.label for f in frames if f.mean < limits.dark_below or f.dark_pct > limits.clipped_pct]
    bright = [f.label for f in frames if f.mean > limits.bright_above or f.bright_pct > limits.clipped_pct]
    means = [frame.mean for frame in frames]
    verdict = graded(100 * max(len(dark), len(bright)) / len(frames), 0.0, limits.fail_pct)
    text = (
        f"{len(dark)} of {len(frames)} frames are too dark, {len(bright)} too bright{named(dark + bright)}; "
        f"mean brightness {min(means):.0f} .. {max(means):.0f} of 255"
    )
    evidence: dict[str, float | int | str | None] = {
        "mean": round(float(np.mean(means)), 2),
        "dark_pct": round(max(frame.dark_pct for frame in frames), 2),
        "bright_pct": round(max(frame.bright_pct for frame in frames), 2),
    }
    return Finding("exposure", camera, verdict, text, evidence)


def _points(lidar: str, sweeps: list[SweepLook], limits: ValueLimits) -> Finding:
    """Whether points are finite, and sweeps about as full as each other."""
    num_points = np.array([sweep.num_points for sweep in sweeps])
    usual = float(np.median(num_points))
    thin = int((num_points < usual * limits.few_points_warn_pct / 100).sum()) + int((num_points == 0).sum())
    bad_pct = 100 * sum(sweep.num_bad for sweep in sweeps) / max(1, int(num_points.sum()))
    verdict = graded(bad_pct, 0.0, limits.bad_fail_pct)
    if usual == 0:
        verdict = "fail"
    elif thin and verdict == "ok":
        verdict = "warn"
    thin_text = f"{thin} of {len(sweeps)} sweeps are thin"
    text = f"{usual:,.0f} points in a sweep, {thin_text}; {bad_pct:.2g} % of points are not finite"
    return Finding("points", lidar, verdict, text, {"usual": usual, "num_thin": thin, "bad_pct": round(bad_pct, 4)})
