"""The difference between two traces' mean steps, for people and programs: parts that sum to the whole."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from drivetrain.core.units import duration_text
from drivetrain.profile.analyse import Difference, Part
from drivetrain.report.profile.findings import pct
from drivetrain.report.profile.text import short, table_text

_MOST_PARTS = 4
_MOST_LINES = 12
_MOST_NAMED = 3
_WORTH_NAMING = Fraction(1, 10)  # of what changed most


def diff_text(found: Difference, before: str, after: str) -> str:
    """The whole in a sentence, then the host's parts and the device's, largest change first."""
    parts = [
        _sentence(found, before, after),
        _titled("on the host, which sums to the difference", _host_rows(found.host)),
    ]
    if found.device:
        rows = [_row(part.name, part) for part in found.device[:_MOST_LINES]]
        rest = found.device[_MOST_LINES:]
        parts.append(_titled("on the device, which sums to it too", [*rows, *_rest_row(rest)]))
    return "\n\n".join(parts)


def diff_json(found: Difference, before: str, after: str) -> dict[str, object]:
    """Plain values; floats of microseconds per step."""
    return {
        "before": before,
        "after": after,
        "step": _part_json(found.step),
        "host": [_part_json(part) for part in found.host],
        "device": [_part_json(part) for part in found.device],
    }


def _part_json(part: Part) -> dict[str, object]:
    return {
        "name": part.name,
        "before_us": float(part.before_ns) / 1000,
        "after_us": float(part.after_ns) / 1000,
        "delta_us": part.delta_us,
        "parts": [_part_json(one) for one in part.parts],
    }


def _sentence(found: Difference, before: str, after: str) -> str:
    step = found.step
    change = f"{_ns_text(step.before_ns)} in {before} and {_ns_text(step.after_ns)} in {after}"
    if not step.delta_ns:
        return f"A mean step takes as long in both: {change}."
    share = f", {pct(float(abs(step.delta_ns) / step.before_ns))} of it" if step.before_ns else ""
    words = f"A mean step takes {change}: {_change_text(step.delta_ns)}{share}."
    least = abs(found.host[0].delta_ns) * _WORTH_NAMING if found.host else Fraction()
    told = [one for one in found.host[:_MOST_NAMED] if one.delta_ns and abs(one.delta_ns) >= least]
    changed = ", ".join(f"{one.name} ({_change_text(one.delta_ns)})" for one in told)
    return f"{words} What changed most: {changed}."


def _host_rows(phases: Sequence[Part]) -> list[list[str]]:
    rows = []
    for phase in (one for one in phases if one.before_ns or one.after_ns):
        rows.append(_row(phase.name, phase))
        rows += [_row(f"  {one.name}", one) for one in phase.parts[:_MOST_PARTS] if one.delta_ns]
        rows += _rest_row(phase.parts[_MOST_PARTS:], "  ")
    return rows


def _rest_row(parts: Sequence[Part], indent: str = "") -> list[list[str]]:
    if not parts:
        return []
    sides = (sum((one.before_ns for one in parts), Fraction()), sum((one.after_ns for one in parts), Fraction()))
    return [_row(f"{indent}… {len(parts)} more", Part("", *sides))]


def _row(name: str, part: Part) -> list[str]:
    return [short(name, 56), _ns_text(part.before_ns), _ns_text(part.after_ns), _change_text(part.delta_ns)]


def _titled(title: str, rows: Sequence[Sequence[str]]) -> str:
    return f"{title}\n{table_text(['per step', '#before', '#after', '#change'], rows)}"


def _ns_text(ns: Fraction) -> str:
    return duration_text(round(ns))


def _change_text(ns: Fraction) -> str:
    return f"+{duration_text(round(ns))}" if round(ns) > 0 else duration_text(round(ns))
