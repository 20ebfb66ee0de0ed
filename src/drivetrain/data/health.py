"""What is wrong with a log, found from its stamps and poses before anything is made of it.

Nothing is decoded, so a check takes milliseconds. Verdicts:

    check       warn                                     fail
    stamps      repeated ones                            more than 10 %, or time goes backwards
    dropped     any message missing inside the stream    more than 10 % missing
    jitter      over 10 % of the period (95th pct)       over 50 %
    poses       any not finite, or without a direction   more than 10 %
    offset      camera and lidar over 10 ms apart        most frames have no sweep within 60 ms
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from drivetrain.core.units import NS_PER_S, duration_text
from drivetrain.data.arrays import Bytes, Ints
from drivetrain.data.build import TOLERANCE_NS
from drivetrain.data.log import Log, Pose, Stream
from drivetrain.data.sync import nearest

Verdict = Literal["ok", "warn", "fail"]
_ORDER: tuple[Verdict, ...] = ("ok", "warn", "fail")
_FAIL_PCT = 10.0
_NOTABLE_OFFSET_NS = 10_000_000
_GAP_PERIODS = 1.5  # a distance of stamps above this many periods has room for a message that is missing


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `ok`, or what is wrong with it, in a sentence."""

    check: str
    stream: str
    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True)
class StreamHealth:
    """How regular one stream is.

    Attributes:
      rate_hz: by the median distance of stamps.
      num_messages: that are there.
      num_expected: that fit between the first stamp and the last at this rate.
      num_listed: that the log's own list promises.
      num_dropped: missing inside the stream.
      longest_gap_s: between two stamps.
      jitter_ms: 95th percentile of how far distances of stamps are from the period; gaps left out.
      num_duplicates, num_backwards: stamps equal to, or smaller than, the one before.
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


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What a check found."""

    log: str
    streams: tuple[StreamHealth, ...]
    offsets: tuple[Offset, ...]
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of all findings."""
        return _worst(finding.verdict for finding in self.findings)

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {"verdict": self.verdict, **asdict(self)}


def check(log: Log) -> HealthReport:
    """Look at the stamps of all cameras and lidars, the offsets between them, and all poses.

    Raises: SampleError: a pose cannot be read.
    """
    sensors: Sequence[Stream[object]] = [*log.of_kind("camera"), *log.of_kind("lidar")]
    streams = tuple(_stream_health(stream) for stream in sensors)
    lidars = log.of_kind("lidar")
    offsets = tuple(
        _offset(camera, lidar) for camera in log.cameras for lidar in lidars if min(len(camera), len(lidar)) > 1
    )
    findings = [finding for stream in streams for finding in _judge_stream(stream)]
    findings += [_judge_offset(offset) for offset in offsets]
    findings += [_judge_poses(log.poses_of(camera)) for camera in log.cameras]
    return HealthReport(log.name, streams, offsets, tuple(findings))


def health_table(report: HealthReport) -> str:
    """The report as aligned plain text: streams, offsets, then whatever is not ok."""
    lines = [f"{'stream':<26} {'rate':>9} {'messages':>9} {'dropped':>8} {'longest gap':>12} {'jitter':>9}"]
    lines += [
        f"{s.name:<26} {s.rate_hz:>6.2f} Hz {s.num_messages:>9} {s.num_dropped:>8} {_seconds(s.longest_gap_s):>12} "
        f"{s.jitter_ms:>6.1f} ms"
        for s in report.streams
    ]
    lines += [
        f"{o.lidar} lies {o.median_ms:+.1f} ms from {o.camera} ({o.phase_ms:.1f} of {o.period_ms:.1f} ms); "
        f"{o.joined_pct:.0f} % of the frames that overlap it have a sweep within {duration_text(TOLERANCE_NS)}"
        for o in report.offsets
    ]
    lines += [f"{f.verdict:<4}  {f.stream}: {f.text}" for f in report.findings if f.verdict != "ok"]
    lines.append(f"verdict: {report.verdict} ({len(report.findings)} checks)")
    return "\n".join(lines)


def _stream_health(stream: Stream[object]) -> StreamHealth:
    steps = np.diff(stream.t_ns)
    forward = steps[steps > 0]
    period_ns = float(np.median(forward)) if len(forward) else 0.0
    gaps = forward[forward > _GAP_PERIODS * period_ns]
    regular = forward[forward <= _GAP_PERIODS * period_ns]
    num_dropped = int((np.rint(gaps / period_ns) - 1).sum()) if len(gaps) else 0
    return StreamHealth(
        name=stream.name,
        rate_hz=NS_PER_S / period_ns if period_ns else 0.0,
        num_messages=len(stream),
        num_expected=len(stream) - int((steps == 0).sum()) + num_dropped,
        num_listed=stream.num_listed,
        num_dropped=num_dropped,
        longest_gap_s=float(forward.max()) / NS_PER_S if len(forward) else 0.0,
        jitter_ms=float(np.percentile(np.abs(regular - period_ns), 95)) / 1e6 if len(regular) else 0.0,
        num_duplicates=int((steps == 0).sum()),
        num_backwards=int((steps < 0).sum()),
    )


def _offset(camera: Stream[Bytes], lidar: Stream[object]) -> Offset:
    slow, fast, sign = (lidar, camera, -1) if len(lidar) <= len(camera) else (camera, lidar, 1)
    fast_ns = np.sort(fast.t_ns)
    period_ns = max(1, int(np.median(np.diff(fast_ns))))
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


def _judge_stream(s: StreamHealth) -> list[Finding]:
    repeated_pct = 100 * s.num_duplicates / max(1, s.num_messages)
    stamps: Verdict = "fail" if s.num_backwards else _graded(repeated_pct, 0.0, _FAIL_PCT)
    dropped_pct = 100 * s.num_dropped / max(1, s.num_expected)
    period_ms = 1e3 / s.rate_hz if s.rate_hz else 0.0
    jitter_pct = 100 * s.jitter_ms / period_ms if period_ms else 0.0
    return [
        Finding(
            "stamps",
            s.name,
            stamps,
            f"time goes backwards {s.num_backwards} times, {s.num_duplicates} stamps are repeated",
        ),
        Finding(
            "dropped",
            s.name,
            _graded(dropped_pct, 0.0, _FAIL_PCT),
            f"{s.num_dropped} of {s.num_expected} messages are missing; longest gap {_seconds(s.longest_gap_s)}",
        ),
        Finding(
            "jitter",
            s.name,
            _graded(jitter_pct, 10.0, 50.0),
            f"stamps jitter by {s.jitter_ms:.1f} ms of a period of {period_ms:.1f} ms",
        ),
    ]


def _judge_offset(offset: Offset) -> Finding:
    name = f"{offset.camera} and {offset.lidar}"
    if offset.joined_pct < 50:
        within = duration_text(TOLERANCE_NS)
        return Finding("offset", name, "fail", f"only {offset.joined_pct:.0f} % of frames have a sweep within {within}")
    apart = abs(offset.median_ms) * 1e6 > _NOTABLE_OFFSET_NS
    text = f"stamps lie {offset.median_ms:+.1f} ms apart: join by time, never by index"
    return Finding("offset", name, "warn" if apart else "ok", text)


def _judge_poses(poses: Stream[Pose]) -> Finding:
    bad = [poses.labels[i] for i in range(len(poses)) if not poses.read(i).is_valid]
    verdict = _graded(100 * len(bad) / max(1, len(poses)), 0.0, _FAIL_PCT)
    named = f" ({', '.join(bad[:5])}{', ...' if len(bad) > 5 else ''})" if bad else ""
    return Finding(
        "poses", poses.name, verdict, f"{len(bad)} of {len(poses)} poses are not finite, or without a direction{named}"
    )


def _graded(value: float, warn_above: float, fail_above: float) -> Verdict:
    return "fail" if value > fail_above else "warn" if value > warn_above else "ok"


def _worst(verdicts: Iterable[Verdict]) -> Verdict:
    return max(verdicts, key=_ORDER.index, default="ok")


def _seconds(seconds: float) -> str:
    return duration_text(round(seconds * NS_PER_S))
