"""The recorded results -> RESULTS.md; pure, so that a test holds one against the other."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rows import SECTIONS, Row, Target
from drivetrain.bench.history import open_history
from drivetrain.bench.results import Metric, Result
from drivetrain.bench.values import value_text
from drivetrain.core.clock import utc_text

FOLDER = Path(__file__).resolve().parent
HISTORY, NOTES, PAGE = FOLDER / "results", FOLDER / "notes", FOLDER / "RESULTS.md"
SUMMARY = "samples"
"""In the environment of a result that has but the median, or that and the ends of the range: no more was kept."""

HEAD = """# Results

Made by `make results` from what is recorded in `benchmarks/results/*.jsonl` (one line a case and session: every sample,
the commit, the machine) and from the notes in `benchmarks/notes/`. `make bench` measures anew and records. Medians, in
brackets the range; of each figure the newest session that has it, and its peers too where it has some. Ratios are ours
over the peer's, of the same session; in pairs where both took turns. Times on a shared machine drift: read the ratios.
What was measured earlier: `drivetrain bench history`. Versions of the peers: `benchmarks/requirements-peers.txt`.
Machines:
"""
_COLUMNS = ("what", "ours", "target", "", "peers, same session", "ratio", "measured")
_ALIGN = ("---", "--:", "--:", "---", "---", "--:", "---")


@dataclass(frozen=True)
class Found:
    """A figure in a result."""

    result: Result
    metric: Metric

    @property
    def median(self) -> float:
        return statistics.median(self.metric.samples)

    @property
    def is_summary(self) -> bool:
        return SUMMARY in self.result.environment


def page() -> str:
    """RESULTS.md as the recorded results and the notes have it."""
    results = [result for result in open_history(str(HISTORY)).read().results if result.side == "B"]
    lines = [
        HEAD,
        *_machines(results),
        *(line for suite, rows in SECTIONS.items() for line in _section(suite, rows, results)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _machines(results: Sequence[Result]) -> Iterator[str]:
    """Where all of it was measured."""
    found = {
        tuple(result.environment.get(name, "?") for name in ("cpu", "cores", "python", "torch")) for result in results
    }
    for cpu, cores, python, torch in sorted(found):
        yield f"- {cpu}, {cores} cores, shared; Python {python}, torch {torch}"
    yield ""


def _section(suite: str, rows: Sequence[Row], results: Sequence[Result]) -> Iterator[str]:
    yield f"## {suite}"
    note = NOTES / f"{suite}.md"
    table = [_line(row, results) for row in rows]
    if any(line is not None for line in table):
        yield f"| {' | '.join(_COLUMNS)} |"
        yield f"|{'|'.join(_ALIGN)}|"
        yield from (line for line in table if line is not None)
    else:
        yield "Not measured yet."
    yield ""
    if note.exists():
        yield note.read_text(encoding="utf-8")


def _line(row: Row, results: Sequence[Result]) -> str | None:
    """None where the figure was never measured."""
    ours, peers = _newest(row, results)
    if ours is None:
        return None
    ratios = [_ratio(ours, peer) for _, peer in peers]
    theirs = [f"{name} {value_text(peer.median, peer.metric.unit)}" for name, peer in peers]
    cells = (
        row.what,
        _figure(ours),
        _target(row.target, ours.metric.unit),
        _verdict(row.target, ours, ratios, has_peer=bool(peers) and peers[0][0] == row.peers[0][0]),
        "; ".join(theirs) or "–",
        "; ".join(_ratio_text(ratio) for ratio in ratios) or "–",
        f"{utc_text(ours.result.at_ns)[:10]}, {ours.result.commit.removesuffix(' with uncommitted changes')}",
    )
    return f"| {' | '.join(cells)} |"


def _newest(row: Row, results: Sequence[Result]) -> tuple[Found | None, list[tuple[str, Found]]]:
    """The figure of the newest session that has it and a peer; where none has both, of the newest that has it."""
    alone: Found | None = None
    for result in reversed(results):
        ours = _find(row.figure, [result])
        if ours is None:
            continue
        same = [other for other in results if other.session == result.session]
        peers = [(name, found) for name, peer in row.peers if (found := _find(peer, same)) is not None]
        if peers or not row.peers:
            return ours, peers
        alone = alone or ours
    return alone, []


def _find(figure: str, results: Sequence[Result]) -> Found | None:
    name, _, metric = figure.rpartition(":")
    return next((Found(r, r.metrics[metric]) for r in results if r.name == name and metric in r.metrics), None)


def _ratio(ours: Found, peer: Found) -> tuple[float, ...]:
    """Of each pair, or of the medians where there are none; where it was recorded itself, as it was."""
    recorded = peer.result.metrics.get("ours_over_it")
    if recorded is not None:
        return recorded.samples
    mine, theirs = ours.metric.samples, peer.metric.samples
    if ours.is_summary or peer.is_summary or len(mine) != len(theirs) or not all(theirs):
        return (ours.median / peer.median,) if peer.median else ()
    return tuple(one / other for one, other in zip(mine, theirs, strict=True))


def _ratio_text(ratios: Sequence[float]) -> str:
    if not ratios:
        return "–"
    spread = f" ({_short(min(ratios))} to {_short(max(ratios))})" if len(ratios) > 1 else ""
    return _short(statistics.median(ratios)) + spread


def _short(value: float) -> str:
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.1g}"


def _figure(found: Found) -> str:
    samples, unit = found.metric.samples, found.metric.unit
    spread = f" ({value_text(min(samples), unit)} to {value_text(max(samples), unit)})" if len(samples) > 1 else ""
    return value_text(found.median, unit) + spread


def _target(target: Target | None, unit: str) -> str:
    if target is None:
        return "–"
    if target.at_most is not None and target.at_least is not None:
        return f"{value_text(target.at_least, unit)} to {value_text(target.at_most, unit)}"
    sign, value = ("≤", target.at_most) if target.at_most is not None else ("≥", target.at_least)
    assert value is not None
    return f"{sign} {value:g} x" if target.of_ratio else f"{sign} {value_text(value, unit)}"


def _verdict(target: Target | None, ours: Found, ratios: Sequence[tuple[float, ...]], *, has_peer: bool) -> str:
    """Whether the target is met, at the median; nothing where there is none, or the peer that it names is missing."""
    if target is None or (target.of_ratio and not has_peer):
        return ""
    value = statistics.median(ratios[0]) if target.of_ratio else ours.median
    is_met = (target.at_most is None or value <= target.at_most) and (
        target.at_least is None or value >= target.at_least
    )
    return "" if is_met else "**missed**"
