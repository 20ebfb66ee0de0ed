"""A session as text."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence

from drivetrain.bench.results import Metric, Result
from drivetrain.bench.suites.session import Finding, Session
from drivetrain.bench.values import value_text
from drivetrain.core.columns import aligned
from drivetrain.core.units import count_text

_HEAD = ("case", "metric", "A", "B", "B/A", "range of B", "noise")


def session_text(session: Session) -> str:
    """A line for each metric of each case: medians, their ratio, the spread, and how far equal code differs."""
    if not session.results:
        return "nothing was measured"
    by_name: dict[str, dict[str, Result]] = defaultdict(dict)
    for result in session.results:
        by_name[result.name][result.side] = result
    rows: list[tuple[str, ...]] = [_HEAD]
    for name, sides in by_name.items():
        case, metrics = name.partition("/")[2], next(iter(sides.values())).metrics
        rows += [_row(case, metric, sides) for metric in metrics]
    kept = [at for at, head in enumerate(_HEAD) if head not in ("A", "B/A") or any("A" in s for s in by_name.values())]
    return "\n".join([_about(session.results), "", *aligned([tuple(row[at] for at in kept) for row in rows])])


def finding_text(finding: Finding) -> str:
    """What went wrong with a case, in one line."""
    times = f" ({count_text(finding.count, 'sample')})" if finding.count > 1 else ""
    side = " on side A" if finding.side == "A" else ""
    return f"{finding.trouble.kind}: {finding.case}{side}: {finding.trouble.why}{times}"


def _about(results: Sequence[Result]) -> str:
    last = results[-1]
    num = len(next(iter(last.metrics.values())).samples)
    commit = last.commit or "no commit"
    against = f", against {last.against} in turns ({last.order})" if last.against else ""
    return f"{last.suite}: {count_text(num, 'sample')} of {commit}{against}, pinned to {last.environment['pinned_to']}"


def _row(case: str, name: str, sides: dict[str, Result]) -> tuple[str, ...]:
    a, b = (sides[side].metrics.get(name) if side in sides else None for side in ("A", "B"))
    noise = max((sides[side].noise_floor.get(name, 0.0) for side in sides), default=0.0)
    ratio = _ratio(a, b) if a and b else None
    return (
        case,
        name,
        value_text(_middle(a), a.unit) if a else "–",
        value_text(_middle(b), b.unit) if b else "–",
        f"x {ratio:.3f}" if ratio is not None else "–",
        f"{value_text(min(b.samples), b.unit)} to {value_text(max(b.samples), b.unit)}" if b else "–",
        f"{100 * noise:.1f} %" if noise else "–",
    )


def _ratio(a: Metric, b: Metric) -> float | None:
    """Of the two of a pair, in the middle of the pairs."""
    return statistics.median(y / x for x, y in zip(a.samples, b.samples, strict=True)) if all(a.samples) else None


def _middle(metric: Metric) -> float:
    return statistics.median(metric.samples)
