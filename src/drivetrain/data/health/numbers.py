"""Poses and scalars: values that are not finite, out of any vehicle's range, or the same again and again."""

from __future__ import annotations

import re
from typing import cast

import numpy as np

from drivetrain.core.units import NS_PER_S
from drivetrain.data.arrays import Floats, Ints, Mask
from drivetrain.data.health.findings import Finding, Verdict, graded, named
from drivetrain.data.health.thresholds import ValueLimits
from drivetrain.data.log import Log, Pose, Stream
from drivetrain.data.sketch import Sketch
from drivetrain.data.sync.interpolate import pose_rows

_SPEED = re.compile(r"speed.*_m_per_s$")
_TURN = re.compile(r"(yaw|gyro|angular).*_rad_per_s$")
_FORCE = re.compile(r"acceleration.*_m_per_s2$")
_FEWEST = 20  # messages before a run of equal ones says anything
_OFTEN = 0.2  # a stream whose messages repeat the one before more often than this says the same by nature
_LEAST_STEP_S = 1e-3  # a speed over a shorter step is rounding


def pose_findings(stream: Stream[Pose], limits: ValueLimits) -> list[Finding]:
    """Whether poses are finite with a direction, whether they leap, whether they stand still while time goes on.

    Raises: SampleError: a pose cannot be read.
    """
    poses_N7 = pose_rows(stream)
    sound = np.isfinite(poses_N7).all(axis=1) & (np.linalg.norm(poses_N7[:, 3:], axis=1) > 1e-6)
    bad = [stream.labels[i] for i in np.flatnonzero(~sound).tolist()]
    bad_pct = 100 * len(bad) / max(1, len(stream))
    text = f"{len(bad)} of {len(stream)} poses are not finite, or without a direction{named(bad)}"
    verdict = graded(bad_pct, 0.0, limits.bad_fail_pct)
    found = [Finding("poses", stream.name, verdict, text, {"num_bad": len(bad), "bad_pct": round(bad_pct, 2)})]
    found += _leaps(stream, poses_N7, np.flatnonzero(sound), limits)
    return found + _frozen_rows(stream, poses_N7[sound], stream.t_ns[sound], limits)


def scalar_findings(stream: Stream[object], limits: ValueLimits) -> list[Finding]:
    """Whether numbers are finite, within what a vehicle can do, and change."""
    if stream.values is None or not len(stream):
        return []
    values_NF = np.asarray(stream.values(), np.float64)
    bad = ~np.isfinite(values_NF)
    if lists_many(stream):  # of many things under one stamp, not each has each number
        bad = np.isinf(values_NF)
    bad_pct = 100 * float(bad.any(axis=1).mean())
    fields = [name for i, name in enumerate(stream.fields) if bad[:, i].any()]
    text = f"{int(bad.any(axis=1).sum())} of {len(stream)} messages have numbers that are not finite{named(fields)}"
    verdict = graded(bad_pct, 0.0, limits.bad_fail_pct)
    found = [Finding("finite", stream.name, verdict, text, {"bad_pct": round(bad_pct, 3)})]
    for column, name in enumerate(stream.fields):
        found += _range(stream.name, name, values_NF[:, column], limits)
    sound = ~bad.any(axis=1)
    return found + _frozen_rows(stream, values_NF[sound], stream.t_ns[sound], limits)


def lists_many(stream: Stream[object]) -> bool:
    """Whether a stream gives several things under one stamp by nature: satellites, radar targets, frames of a bus.

    Messages that repeat a stamp and say the same are no such thing: they came twice.
    """
    again = np.flatnonzero(np.diff(stream.t_ns) == 0)
    if not len(again) or stream.kind not in ("scalars", "message"):
        return False
    if stream.values is None:
        return True
    values_NF = stream.values()
    same = (values_NF[again] == values_NF[again + 1]) | (np.isnan(values_NF[again]) & np.isnan(values_NF[again + 1]))
    return float(same.all(axis=1).mean()) < _OFTEN


def sketches_of_log(log: Log) -> dict[str, Sketch]:
    """A sketch of each number that a log's scalars give, by `stream field`."""
    found: dict[str, Sketch] = {}
    for stream in log.of_kind("scalars"):
        if stream.values is not None and len(stream):
            values_NF = stream.values()
            found |= {f"{stream.name} {name}": Sketch.of(values_NF[:, i]) for i, name in enumerate(stream.fields)}
    return found


def _range(stream: str, field: str, values_N: Floats, limits: ValueLimits) -> list[Finding]:
    most = _most(field, limits)
    finite = values_N[np.isfinite(values_N)]
    if most is None or not len(finite):
        return []
    num_beyond = int((np.abs(finite) > most).sum())
    low, high = float(finite.min()), float(finite.max())
    text = f"{field} is {low:.4g} .. {high:.4g}; {num_beyond} of {len(finite)} are beyond what a vehicle does, {most:g}"
    verdict = graded(100 * num_beyond / len(finite), 0.0, limits.bad_fail_pct)
    return [Finding("range", stream, verdict, text, {"field": field, "low": low, "high": high})]


def _most(field: str, limits: ValueLimits) -> float | None:
    for pattern, most in (
        (_SPEED, limits.fastest_m_per_s),
        (_TURN, limits.fastest_turn_rad_per_s),
        (_FORCE, limits.hardest_m_per_s2),
    ):
        if pattern.search(field):
            return most
    return None


def _leaps(stream: Stream[Pose], poses_N7: Floats, sound: Ints, limits: ValueLimits) -> list[Finding]:
    """Poses that are further from the one before than anything drives."""
    steps_s = np.diff(stream.t_ns[sound]) / NS_PER_S
    gone_m = np.linalg.norm(np.diff(poses_N7[sound, :3], axis=0), axis=1)
    judged = steps_s >= _LEAST_STEP_S
    leaps = np.flatnonzero(judged & (gone_m > limits.fastest_m_per_s * np.maximum(steps_s, _LEAST_STEP_S) + 0.5))
    if not judged.any():
        return []
    labels = [stream.labels[i] for i in sound[leaps + 1].tolist()]
    furthest = float(gone_m[leaps].max(initial=0.0))
    fastest = f"{limits.fastest_m_per_s:g} m/s"
    text = f"{len(leaps)} poses leap faster than {fastest}, the furthest {furthest:.1f} m{named(labels)}"
    verdict = graded(100 * len(leaps) / len(steps_s), 0.0, limits.bad_fail_pct)
    return [Finding("leaps", stream.name, verdict, text, {"num_leaps": len(leaps), "furthest_m": round(furthest, 3)})]


def _frozen_rows(stream: Stream[object], rows_NF: Floats, t_ns: Ints, limits: ValueLimits) -> list[Finding]:
    """Whether a stream that else changes with each message says the same for long.

    A number that often repeats the one before (a gear, a wheel that stands) is not judged: it may well stay as it is.
    """
    if len(rows_NF) < _FEWEST:
        return []
    same = (np.diff(rows_NF, axis=0) == 0).all(axis=1) & (np.diff(t_ns) > 0)
    first, length = _longest_run(same)
    if (
        same.all()
        and "bias" not in stream.name
        and any(_TURN.search(name) or _FORCE.search(name) for name in stream.fields)
    ):
        return [Finding("frozen", stream.name, "fail", "never changes, as no gyro or accelerometer does")]
    num_else = len(same) - length
    often = float(same.sum() - length) / num_else if num_else else 1.0
    whole_s = max(float(t_ns[-1] - t_ns[0]) / NS_PER_S, 1e-9)
    long_s = float(t_ns[first + length] - t_ns[first]) / NS_PER_S
    if often > _OFTEN or long_s <= limits.frozen_warn_s or length < 5:
        return [Finding("frozen", stream.name, "ok", "its values change", {"longest_s": round(long_s, 3)})]
    verdict: Verdict = "fail" if 100 * long_s / whole_s > limits.frozen_fail_pct else "warn"
    start_s = float(t_ns[first] - t_ns[0]) / NS_PER_S
    text = f"says the same for {long_s:.2f} s from {start_s:.2f} s on, and changes else"
    return [
        Finding("frozen", stream.name, verdict, text, {"longest_s": round(long_s, 3), "start_s": round(start_s, 3)})
    ]


def _longest_run(same_N: Mask) -> tuple[int, int]:
    """Where the longest run of True begins, and how long it is."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], same_N.astype(np.int8), [0]])))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return 0, 0
    longest = int((ends - starts).argmax())
    return int(starts[longest]), int(ends[longest] - starts[longest])


def number_findings(log: Log, limits: ValueLimits) -> list[Finding]:
    """All of the above, of a whole log. Raises SampleError: a pose cannot be read."""
    found = []
    beside = [f"pose/{camera.name.partition('/')[2]}" for camera in log.cameras]  # those of cameras first
    for stream in sorted(log.of_kind("pose"), key=lambda stream: stream.name not in beside):
        found += pose_findings(cast(Stream[Pose], stream), limits)
    for stream in log.of_kind("scalars"):
        found += scalar_findings(stream, limits)
    return found
