"""Each stream's stamps: rate, jitter, gaps, what is missing, repeated, or goes backwards, and when it was off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from drivetrain.core.units import NS_PER_S, duration_text
from drivetrain.data.arrays import Ints
from drivetrain.data.health.clocks import clock_name
from drivetrain.data.health.findings import Finding, Verdict, graded
from drivetrain.data.health.grid import grid_period_ns
from drivetrain.data.health.numbers import lists_many
from drivetrain.data.health.thresholds import StampLimits
from drivetrain.data.log import Log, Stream

GAP_PERIODS = 1.5
"""A distance of stamps above this many periods has room for a message that is missing."""

JITTER_EDGES_PCT = tuple(range(-50, 51, 5))
"""Edges of the bins of `StreamHealth.jitter_counts`, per cent of the period."""

_SENSORS = ("camera", "lidar")
_FEWEST = 10  # messages of another stream before anything is expected of it
_OF_EMPTY: dict[str, Verdict] = {"message": "unknown"}  # a topic may be announced and never used
_WIDE = 3.0  # times the jitter: a late message alone opens no gap
_SHORTEST_NS = 100_000  # a period below is no sensor's: messages of a burst
_PAUSE_S = 0.5  # silence of all streams that is called a pause
_LONE_PERIODS = 100.0  # and of one that is alone in its log
_SURE, _LIKELY = 0.95, 0.6  # share of distances that a period explains
_SEEN_BY_TIME = 0.003  # a share of missing messages that is above the error of a period
_EXPLAINED = 0.2  # a distance this near to a whole number of periods, in periods, is explained by it


@dataclass(frozen=True, slots=True)
class StreamHealth:
    """How regular one stream is, and those that share its stamps.

    Attributes:
      rate_hz: by the usual distance of stamps.
      num_messages: that are there.
      num_expected: that fit between the first stamp and the last at this rate.
      num_listed: that the log's own list promises.
      num_dropped: missing inside the stream.
      longest_gap_s: between two stamps.
      jitter_ms: 95th percentile of how far distances of stamps are from the period; gaps left out.
      num_duplicates, num_backwards: stamps equal to, or smaller than, the one before.
      also: other streams with the very same stamps.
      is_periodic: whether most distances are whole numbers of periods; else nothing can be said to be missing.
      pauses_s: gaps in which all other streams were silent too: the recording paused, or the clock was set.
      largest_jump_s: a distance of stamps longer than all of the log: the clock was set, and nothing is missing there.
      largest_step_back_s: of time going backwards.
      late_s, early_s: first message after the log's first; last message before the log's last.
      jitter_counts: distances by how far they are from the period, per cent of it; edges are `JITTER_EDGES_PCT`.
    """

    name: str
    rate_hz: float
    num_messages: int
    num_expected: int
    num_listed: int
    num_dropped: int
    longest_gap_s: float
    jitter_ms: float
    num_duplicates: int
    num_backwards: int
    also: tuple[str, ...] = ()
    is_periodic: bool = True
    pauses_s: tuple[float, ...] = ()
    largest_jump_s: float = 0.0
    largest_step_back_s: float = 0.0
    late_s: float = 0.0
    early_s: float = 0.0
    jitter_counts: tuple[int, ...] = ()

    @property
    def dropped_pct(self) -> float:
        """Missing messages, in per cent of those expected."""
        return 100 * self.num_dropped / max(1, self.num_expected)


def stream_healths(log: Log) -> list[StreamHealth]:
    """One for each set of streams with the very same stamps: cameras first, then lidars, then the rest by name."""
    by_stamps: dict[bytes, list[Stream[object]]] = {}
    for _, stream in sorted(log.streams.items()):
        if stream.kind != "lanes":  # a map has no rate
            key = stream.t_ns.tobytes() if len(stream) else stream.name.encode()
            by_stamps.setdefault(key, []).append(stream)
    chosen = []
    for streams in by_stamps.values():
        name = clock_name(streams)
        chosen.append((log.streams[name], tuple(stream.name for stream in streams if stream.name != name)))
    order = {"camera": 0, "lidar": 1}
    chosen.sort(key=lambda pair: (order.get(pair[0].kind, 2), pair[0].name))
    pauses_K2, span = _pauses([stream.t_ns for stream, _ in chosen]), _span([stream for stream, _ in chosen])
    return [_stream_health(stream, also, pauses_K2, span) for stream, also in chosen]


def stamp_findings(healths: Sequence[StreamHealth], log: Log, limits: StampLimits) -> list[Finding]:
    """What is to be said of stamps: `stamps`, `dropped`, `jitter`, `off` and `pause`.

    Of what is neither camera nor lidar nothing is expected but that time goes on; what else is odd there is a warning,
    and only told where the stream is periodic.
    """
    found = []
    for health in healths:
        is_sensor = log.streams[health.name].kind in _SENSORS
        if not health.num_messages:
            empty: Verdict = "fail" if is_sensor else _OF_EMPTY.get(log.streams[health.name].kind, "warn")
            found.append(Finding("off", health.name, empty, "has no message"))
        elif is_sensor:
            found += _judge(health, limits)
        else:
            found += _softened(health, log.streams[health.name], limits)
    longest = max((pause for health in healths for pause in health.pauses_s), default=0.0)
    if longest:
        paused = [health.name for health in healths if health.pauses_s]
        text = f"time jumps by up to {_seconds(longest)} in all streams: the recording paused, or the clock was set"
        found.append(Finding("pause", paused[0], "warn", text, {"longest_s": longest, "num_streams": len(paused)}))
    return found


def _softened(health: StreamHealth, stream: Stream[object], limits: StampLimits) -> list[Finding]:
    """The findings on what is neither camera nor lidar."""
    if health.num_duplicates and lists_many(stream):
        health = replace(health, num_duplicates=0)
    stamps, *others = _judge(health, limits)
    goes_on = not health.num_backwards and not health.largest_jump_s
    if stamps.verdict == "fail" and (goes_on or stream.kind == "message"):  # publishers of a topic may overtake another
        stamps = replace(stamps, verdict="warn")
    odd = [one for one in others if one.verdict != "ok" and not _is_mere(one)]
    expected = health.is_periodic and health.num_messages >= _FEWEST
    told = [one for one in odd if expected and (one.check != "off" or stream.kind in ("pose", "scalars"))]
    return [stamps, *(replace(one, verdict="warn") for one in told)]


def _is_mere(finding: Finding) -> bool:
    """Jitter of a fast stream, which does no harm to what is interpolated."""
    return finding.check == "jitter" and finding.verdict == "warn"


def period_ns(forward: Ints) -> tuple[float, bool]:
    """The usual distance of stamps, and whether most distances are whole numbers of it.

    The median, unless it explains too little: then many messages are missing, or stamps jitter much, and what counts is
    the grid on which they lie; of few stamps, which show no grid, a half, a third or a quarter that explains more.
    """
    if not len(forward):
        return 0.0, False
    best = _mean_of_shortest(forward, float(np.median(forward)))
    explained = _explained(forward, best)
    grid = grid_period_ns(forward) if explained < _SURE and best >= _SHORTEST_NS else None
    if grid:
        return grid, True
    for part in (2, 3, 4):
        shorter = _mean_of_shortest(forward, best / part)
        better = _explained(forward, shorter)
        is_seen = float((forward < GAP_PERIODS * shorter).mean()) > 0.1
        if explained < 0.8 and better >= 0.9 and is_seen:
            best, explained = shorter, better
    return best, explained >= _LIKELY and best >= _SHORTEST_NS


def _mean_of_shortest(forward: Ints, period: float) -> float:
    """A better guess of a period: the mean of what is about as long. The median is too long where many are missing."""
    for _ in range(2):
        regular = forward[forward <= GAP_PERIODS * period]
        period = float(regular.mean()) if len(regular) else period
    return period


def _explained(forward: Ints, period: float) -> float:
    whole = np.maximum(1, np.rint(forward / period))
    return float((np.abs(forward / period - whole) <= _EXPLAINED).mean())


def _stream_health(
    stream: Stream[object], also: tuple[str, ...], pauses_K2: Ints, span: tuple[int, int]
) -> StreamHealth:
    steps = np.diff(stream.t_ns)
    forward = steps[steps > 0]
    period, is_periodic = period_ns(forward)
    regular = forward[forward <= GAP_PERIODS * period]
    jitter = float(np.percentile(np.abs(regular - period), 95)) if len(regular) else 0.0
    at = np.flatnonzero(steps > max(GAP_PERIODS * period, period + _WIDE * jitter)) if period else steps[:0]
    jumps = [int(i) for i in at if steps[i] > span[1] - span[0]]
    pauses = [int(i) for i in at if _is_pause(stream.t_ns[i], stream.t_ns[i + 1], period, pauses_K2)]
    gaps = steps[np.setdiff1d(at, [*jumps, *pauses])]
    is_sensor = stream.kind in _SENSORS
    num_dropped = int((np.rint(gaps / period) - 1).sum()) if len(gaps) and (is_periodic or is_sensor) else 0
    if is_periodic and _WIDE * jitter > (GAP_PERIODS - 1) * period:  # some gaps hide in the jitter: count by time
        lasting = np.delete(steps, [*jumps, *pauses])
        by_time = int(np.rint(lasting.sum() / period)) - int((lasting > 0).sum())
        if num_dropped or by_time > _SEEN_BY_TIME * len(lasting):
            num_dropped = max(num_dropped, by_time)
    first, last = stream.time_range_ns or span
    off_pct = np.clip(100 * (forward / period - 1), -50, 50) if period else np.zeros(0)
    return StreamHealth(
        name=stream.name,
        rate_hz=NS_PER_S / period if period else 0.0,
        num_messages=len(stream),
        num_expected=len(stream) - int((steps == 0).sum()) + num_dropped,
        num_listed=stream.num_listed,
        num_dropped=num_dropped,
        longest_gap_s=float(np.delete(steps, jumps).max(initial=0)) / NS_PER_S,
        jitter_ms=jitter / 1e6,
        num_duplicates=int((steps == 0).sum()),
        num_backwards=int((steps < 0).sum()),
        also=also,
        is_periodic=is_periodic,
        pauses_s=tuple(float(steps[i]) / NS_PER_S for i in pauses),
        largest_jump_s=float(steps[jumps].max(initial=0)) / NS_PER_S,
        largest_step_back_s=float(-steps.min(initial=0)) / NS_PER_S,
        late_s=(first - span[0]) / NS_PER_S,
        early_s=(span[1] - last) / NS_PER_S,
        jitter_counts=tuple(np.histogram(off_pct, JITTER_EDGES_PCT)[0].tolist()),
    )


def _pauses(stamps: Sequence[Ints]) -> Ints:
    """When all streams were silent for long: starts and ends, K x 2."""
    everything = np.sort(np.concatenate([np.zeros(0, np.int64), *stamps]))
    least_ns = _PAUSE_S * NS_PER_S
    if len(stamps) == 1:
        least_ns = max(least_ns, _LONE_PERIODS * period_ns(np.diff(np.unique(everything)))[0])
    at = np.flatnonzero(np.diff(everything) >= least_ns)
    return np.stack([everything[at], everything[at + 1]], axis=1)


def _is_pause(before_ns: int, after_ns: int, period: float, pauses_K2: Ints) -> bool:
    """Whether a gap is a pause of the whole log; it may begin and end a period away from it."""
    inside = (pauses_K2[:, 0] >= before_ns) & (pauses_K2[:, 1] <= after_ns)
    silent = int(np.diff(pauses_K2[inside], axis=1).sum())
    return silent > 0 and after_ns - before_ns - silent <= 2.5 * period


def _span(streams: Sequence[Stream[object]]) -> tuple[int, int]:
    """When the log was on, by the medians of its streams' first and last stamps: one odd clock does not move it."""
    long = [stream for stream in streams if len(stream) >= _FEWEST] or streams
    spans = [times for stream in long if (times := stream.time_range_ns)]
    if not spans:
        return 0, 0
    first, last = np.median(np.array(spans, np.int64) - spans[0][0], axis=0)
    return int(first) + spans[0][0], int(last) + spans[0][0]


def _judge(s: StreamHealth, limits: StampLimits) -> list[Finding]:
    repeated_pct = 100 * s.num_duplicates / max(1, s.num_messages)
    goes_on = not s.num_backwards and not s.largest_jump_s
    stamps: Verdict = graded(repeated_pct, 0.0, limits.repeated_fail_pct) if goes_on else "fail"
    odd = []
    if s.largest_jump_s:
        odd.append(f"leaps ahead by {_seconds(s.largest_jump_s)}")
    if s.num_backwards:
        times = f"{s.num_backwards} times, by up to" if s.num_backwards > 1 else "once, by"
        odd.append(f"time goes backwards {times} {_seconds(s.largest_step_back_s)}")
    if s.num_duplicates or not odd:
        odd.append(f"{s.num_duplicates} of {s.num_messages} stamps are repeated")
    period_ms = 1e3 / s.rate_hz if s.rate_hz else 0.0
    jitter_pct = 100 * s.jitter_ms / period_ms if period_ms else 0.0
    dropped = f"{s.num_dropped} of {s.num_expected} messages are missing; longest gap {_seconds(s.longest_gap_s)}"
    found = [
        Finding(
            "stamps",
            s.name,
            stamps,
            "; ".join(odd),
            {"num_backwards": s.num_backwards, "num_duplicates": s.num_duplicates},
        ),
        Finding(
            "dropped",
            s.name,
            graded(s.dropped_pct, 0.0, limits.dropped_fail_pct),
            dropped,
            {"num_dropped": s.num_dropped, "dropped_pct": round(s.dropped_pct, 3), "longest_gap_s": s.longest_gap_s},
        ),
    ]
    jitter = graded(jitter_pct, limits.jitter_warn_pct, limits.jitter_fail_pct)
    text = f"stamps jitter by {s.jitter_ms:.1f} ms of a period of {period_ms:.1f} ms"
    return [
        *found,
        Finding("jitter", s.name, jitter, text, {"jitter_ms": round(s.jitter_ms, 3)}),
        _judge_off(s, limits),
    ]


def _judge_off(s: StreamHealth, limits: StampLimits) -> Finding:
    """Whether a sensor came late or left early."""
    whole_s = max(s.late_s, 0.0) + max(s.early_s, 0.0) + max(s.num_messages - 1, 0) / (s.rate_hz or 1.0)
    period_s = 1 / s.rate_hz if s.rate_hz else 0.0
    off_s = sum(part for part in (s.late_s, s.early_s) if part > 5 * period_s)
    off_pct = 100 * off_s / whole_s if whole_s and s.rate_hz else 0.0
    late, early = (_seconds(max(part, 0.0)) for part in (s.late_s, s.early_s))
    text = f"first message {late} after the log begins, last {early} before its end"
    verdict = graded(off_pct, limits.short_warn_pct, limits.short_fail_pct)
    return Finding("off", s.name, verdict, text, {"off_pct": round(off_pct, 2)})


def _seconds(seconds: float) -> str:
    return duration_text(round(seconds * NS_PER_S))
