"""Clocks against each other: streams whose stamps are late beside the others', or run away from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from drivetrain.data.health.findings import Finding, Verdict, graded
from drivetrain.data.health.lag import Lag, lag_between
from drivetrain.data.health.motion import Motion, motions_of
from drivetrain.data.health.thresholds import ClockLimits
from drivetrain.data.log import Log, Stream

_MOST_CLOCKS = 8  # that are compared; more would say the same again
_GRAIN_MS, _GRAIN_PPM = 1.0, 30.0  # differences that do not decide who is right
_MOST_FIELDS = 4  # of one quantity, of one clock: a gyro's axes, the wheels


@dataclass(frozen=True, eq=False)
class Clock:
    """Streams with the very same stamps, and what they say of the vehicle's motion.

    Attributes:
      name: the camera or lidar among them, else the first.
      motions: by any of them.
    """

    name: str
    motions: tuple[Motion, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """A clock beside the reference of its group, or beside one told before it: who said so, and how they lie.

    Attributes:
      clock, reference: names.
      told, beside: what was compared, the clock's and the reference's.
      lag: of the clock.
    """

    clock: str
    reference: str
    told: Motion
    beside: Motion
    lag: Lag


def clock_findings(groups: list[list[Reading]], unknown: list[str], limits: ClockLimits) -> list[Finding]:
    """A finding for each clock's lag and one for its drift.

    Which of several clocks is wrong is decided by most: lags are counted from the clock that is nearest to all others.
    """
    found = []
    for group in groups:
        lags = _from_reference(group, lambda lag: lag.lag_s * 1e3)
        drifts = _from_reference(group, lambda lag: lag.drift_ppm)
        for values, grain, judge in ((lags, _GRAIN_MS, _judge_lag), (drifts, _GRAIN_PPM, _judge_drift)):
            right = _nearest_to_all(values, grain)
            for name in values:
                if name != right:
                    told = _between(group, name, right)
                    found.append(judge(name, right, values[name] - values[right], told, limits))
    text = "too little motion, or too different from the others', to tell how its clock lies to theirs"
    return found + [Finding("clock", name, "unknown", text) for name in unknown]


def _from_reference(group: list[Reading], value_of: Callable[[Lag], float]) -> dict[str, float]:
    """Each clock's value beside the group's reference."""
    values = {group[0].reference: 0.0}
    for reading in group:
        values[reading.clock] = values[reading.reference] + value_of(reading.lag)
    return values


def _between(group: list[Reading], name: str, right: str) -> list[Reading]:
    """The comparisons that lead from one clock to another."""
    by_clock = {reading.clock: reading for reading in group}
    ways: list[list[Reading]] = []
    for start in (name, right):
        way, clock = [], start
        while clock in by_clock:
            way.append(by_clock[clock])
            clock = by_clock[clock].reference
        ways.append(way)
    return [reading for reading in group if (reading in ways[0]) != (reading in ways[1])]


def compare_clocks(log: Log, limits: ClockLimits) -> tuple[list[list[Reading]], list[str]]:
    """Groups of clocks that can be told by each other, and clocks of which nothing can be told.

    Raises: SampleError: a pose cannot be read.
    """
    clocks = clocks_of(log)
    if len(clocks) < 2:
        return [], []
    groups, unknown = [], []
    while clocks:
        group, clocks = _told_by(clocks, limits)
        if group:
            groups.append(group)
        else:
            unknown.append(clocks.pop(0).name)
    return groups, unknown


def _told_by(clocks: list[Clock], limits: ClockLimits) -> tuple[list[Reading], list[Clock]]:
    """What the first clock tells of the others, and each that is told of those left; and the clocks not told of."""
    group: list[Reading] = []
    told, left = clocks[:1], clocks[1:]
    for reference in told:  # grows
        for clock in left:
            if reading := _compared(clock, reference, limits):
                group.append(reading)
                told.append(clock)
        left = [clock for clock in left if clock not in told]
    return group, left if group else clocks


def clocks_of(log: Log) -> list[Clock]:
    """Clocks that say something of the vehicle's motion; those beside a camera first, then poses, then scalars."""
    ranges = [stream.time_range_ns for stream in log.streams.values()]
    origin_ns = min((times[0] for times in ranges if times), default=0)
    by_stamps: dict[bytes, list[Stream[object]]] = {}
    for _, stream in sorted(log.streams.items()):
        by_stamps.setdefault(stream.t_ns.tobytes(), []).append(stream)
    motions = motions_of(log, origin_ns)
    clocks = []
    for streams in by_stamps.values():
        names = {stream.name for stream in streams}
        own = _few_fields([motion for motion in motions if motion.stream in names])
        if own:
            clocks.append(Clock(clock_name(streams), tuple(own)))
    clocks.sort(key=lambda clock: (_rank(clock), clock.name))
    return clocks[:_MOST_CLOCKS]


def clock_name(streams: Iterable[Stream[object]]) -> str:
    """What streams of one clock are called together: the camera, the lidar, or the first."""
    kinds = {"camera": 0, "lidar": 1}
    return min(streams, key=lambda stream: (kinds.get(stream.kind, 2), stream.name)).name


def _rank(clock: Clock) -> int:
    if clock.name.startswith("camera/"):
        return 0
    return 1 if any(not motion.field for motion in clock.motions) else 2


def _few_fields(motions: list[Motion]) -> list[Motion]:
    turning = [motion for motion in motions if motion.quantity == "turning"]
    travel = [motion for motion in motions if motion.quantity == "travel"]
    return turning[:_MOST_FIELDS] + travel[:_MOST_FIELDS]


def _compared(clock: Clock, reference: Clock, limits: ClockLimits) -> Reading | None:
    """The most certain of all comparisons of two clocks whose streams agree on the motion."""
    found = []
    for told in clock.motions:
        for beside in reference.motions:
            lag = lag_between(told, beside) if told.quantity == beside.quantity else None
            if lag is not None and _is_told(lag, limits):
                found.append(Reading(clock.name, reference.name, told, beside, lag))
    closest = max((reading.lag.correlation for reading in found), default=0.0)
    alike = [reading for reading in found if reading.lag.correlation > closest - 0.1]
    return min(alike, key=lambda reading: reading.lag.lag_error_s, default=None)


def _is_told(lag: Lag, limits: ClockLimits) -> bool:
    certain = np.isfinite(lag.lag_error_s) and lag.lag_error_s * 1e3 <= limits.largest_error_ms
    return bool(certain and lag.correlation >= limits.least_correlation and lag.rival >= limits.num_errors)


def _nearest_to_all(values: dict[str, float], grain: float) -> str:
    """The name whose value is nearest to all others' in sum; the first, unless another is nearer by a grain."""
    apart = {name: sum(abs(value - other) for other in values.values()) for name, value in values.items()}
    first, best = next(iter(apart)), min(apart, key=lambda name: apart[name])
    return best if apart[best] < apart[first] - grain else first


def _softer(verdict: Verdict, name: str) -> Verdict:
    """A warning at most of what is neither camera nor lidar: a satellite's fix, for one, is late by nature."""
    return "warn" if verdict == "fail" and not name.startswith(("camera/", "lidar/")) else verdict


def _judge_lag(name: str, right: str, lag_ms: float, told: list[Reading], limits: ClockLimits) -> Finding:
    error_ms = float(np.hypot.reduce([reading.lag.lag_error_s for reading in told])) * 1e3
    by = "turned" if told[0].told.quantity == "turning" else "sped up and slowed down"
    evidence: dict[str, float | int | str | None] = {
        "lag_ms": round(lag_ms, 3),
        "lag_error_ms": round(error_ms, 3),
        "correlation": round(min(reading.lag.correlation for reading in told), 4),
        "beside": right,
        "told_by": ", ".join(f"{r.told.stream} {r.told.field}".strip() for r in told),
    }
    verdict: Verdict = "ok"
    if abs(lag_ms) > limits.num_errors * error_ms:
        verdict = _softer(graded(abs(lag_ms), limits.lag_warn_ms, limits.lag_fail_ms), name)
    elif abs(lag_ms) > limits.lag_warn_ms:
        verdict = "unknown"
    late = f"{abs(lag_ms):.1f} ms {'late' if lag_ms > 0 else 'early'}"
    text = f"stamps come {late} beside {right} (± {error_ms:.1f} ms, by how the vehicle {by})"
    if verdict == "ok":
        text = f"stamps agree with those of {right}: {lag_ms:+.1f} ± {error_ms:.1f} ms, by how the vehicle {by}"
    return Finding("clock", name, verdict, text, evidence)


def _judge_drift(name: str, right: str, drift_ppm: float, told: list[Reading], limits: ClockLimits) -> Finding:
    error_ppm = float(np.hypot.reduce([reading.lag.drift_error_ppm for reading in told]))
    verdict: Verdict = "ok"
    if abs(drift_ppm) > limits.num_errors * error_ppm:
        verdict = _softer(graded(abs(drift_ppm), limits.drift_warn_ppm, limits.drift_fail_ppm), name)
    way = "fast" if drift_ppm > 0 else "slow"
    text = f"clock runs {abs(drift_ppm):.0f} ppm {way} beside {right} (± {error_ppm:.0f} ppm)"
    evidence: dict[str, float | int | str | None] = {
        "drift_ppm": round(drift_ppm, 1),
        "drift_error_ppm": round(error_ppm, 1),
        "beside": right,
    }
    return Finding("drift", name, verdict, text, evidence)
