"""A change point as text."""

from __future__ import annotations

from drivetrain.bench.detect.changes import Change
from drivetrain.bench.values import value_text


def change_text(change: Change, unit: str = "") -> str:
    """From what to what, by how much, how sure: `1098 -> 855.5, -22.1 % (-26.9 to -17.2), false alarm below 1e-6`."""
    size = levels_text(change, unit)
    if change.change_pct is not None:
        size += f", {change.change_pct:+.1f} % ({change.low_pct:+.1f} to {change.high_pct:+.1f})"
    return f"{size}, false alarm {_chance_text(change.false_alarm)}"


def levels_text(change: Change, unit: str = "") -> str:
    """From what level to what, or from what slope: `1098 -> 855.5`, `slope +0.5 -> -1.2 a value`."""
    if change.slope_before is None or change.slope_after is None:
        return f"{value_text(change.before, unit)} -> {value_text(change.after, unit)}"
    return f"slope {_slope_text(change.slope_before, unit)} -> {_slope_text(change.slope_after, unit)} a value"


def _slope_text(slope: float, unit: str) -> str:
    return f"{slope:+.3g}{' ' * bool(unit) + unit}"


def _chance_text(chance: float) -> str:
    return "below 1e-6" if chance < 1e-6 else f"{chance:.1g}"
