"""What a check found, as a value: for programs, and as a table for people."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from drivetrain.core.units import NS_PER_S, count_text, duration_text
from drivetrain.data.build import TOLERANCE_NS
from drivetrain.data.health.findings import Finding, Verdict, worst
from drivetrain.data.health.offset import Offset
from drivetrain.data.health.regularity import JITTER_EDGES_PCT, StreamHealth

if TYPE_CHECKING:
    from drivetrain.data.health.alignment import Alignment
    from drivetrain.data.health.clocks import Reading
    from drivetrain.data.health.looks import Looks
    from drivetrain.data.sketch import Sketch

_LONGEST_LIST = 40  # findings that are shown as text; the rest are counted


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What a check found.

    Attributes:
      log: its name.
      streams: how regular each is; those with the same stamps together.
      offsets: of each camera and lidar.
      findings: all that was looked at, with its verdict.
      sketches: of each number that scalars give.
      seen: what pictures are made of; not part of the JSON.
    """

    log: str
    streams: tuple[StreamHealth, ...]
    offsets: tuple[Offset, ...]
    findings: tuple[Finding, ...]
    sketches: dict[str, Sketch] = field(default_factory=dict)
    seen: Seen | None = field(default=None, repr=False, compare=False)

    @property
    def verdict(self) -> Verdict:
        """The worst of all findings; what cannot be told counts as neither good nor bad."""
        told = worst(finding.verdict for finding in self.findings)
        return "ok" if told == "unknown" else told

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "verdict": self.verdict,
            "log": self.log,
            "streams": [asdict(stream) for stream in self.streams],
            "jitter_edges_pct": list(JITTER_EDGES_PCT),
            "offsets": [asdict(offset) for offset in self.offsets],
            "findings": [asdict(finding) for finding in self.findings],
            "sketches": {name: sketch.to_json() for name, sketch in self.sketches.items()},
        }


@dataclass(frozen=True, eq=False)
class Seen:
    """What was read on the way, for pictures."""

    clocks: list[list[Reading]]
    alignments: list[Alignment]
    looks: Looks


def health_table(report: HealthReport) -> str:
    """The report as aligned plain text: streams, offsets, then whatever is not ok."""
    width = max([26, *(len(_name(s)) for s in report.streams)])
    lines = [f"{'stream':<{width}} {'rate':>9} {'messages':>9} {'dropped':>8} {'longest gap':>12} {'jitter':>9}"]
    lines += [_stream_line(s, width) for s in report.streams]
    lines += [
        f"{o.lidar} lies {o.median_ms:+.1f} ms from {o.camera} ({o.phase_ms:.1f} of {o.period_ms:.1f} ms); "
        f"{o.joined_pct:.0f} % of the frames that overlap it have a sweep within {duration_text(TOLERANCE_NS)}"
        for o in report.offsets
    ]
    told = [f"{f.stream}: {f.text}" for f in report.findings if f.check in _ALWAYS and f.verdict == "ok"]
    odd = sorted((f for f in report.findings if f.verdict != "ok"), key=lambda f: _ORDER[f.verdict])
    lines += told + [f"{f.verdict:<4}  {f.stream}: {f.text}" for f in odd[:_LONGEST_LIST]]
    if len(odd) > _LONGEST_LIST:
        lines.append(f"and {count_text(len(odd) - _LONGEST_LIST, 'more finding')} in --json")
    lines.append(f"verdict: {report.verdict} ({len(report.findings)} checks)")
    return "\n".join(lines)


_ORDER: dict[str, int] = {"fail": 0, "warn": 1, "unknown": 2}
_ALWAYS = ("clock", "alignment")  # checks that estimate something worth reading even when all is well


def _stream_line(s: StreamHealth, width: int) -> str:
    gap = duration_text(round(s.longest_gap_s * NS_PER_S))
    if not s.is_periodic:
        return f"{_name(s):<{width}} {'irregular':>9} {s.num_messages:>9} {'':>8} {gap:>12}"
    counts = f"{s.num_messages:>9} {s.num_dropped:>8}"
    return f"{_name(s):<{width}} {s.rate_hz:>6.2f} Hz {counts} {gap:>12} {s.jitter_ms:>6.1f} ms"


def _name(s: StreamHealth) -> str:
    return f"{s.name} +{len(s.also)}" if s.also else s.name
