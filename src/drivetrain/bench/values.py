"""Measured numbers with their units, for people."""

from __future__ import annotations

from drivetrain.core.units import NS_PER_S, bytes_text, duration_text


def value_text(value: float, unit: str) -> str:
    """A number with its unit: `14.2 ms`, `16.4 MiB`, `234/s`."""
    if unit == "s" and abs(value) < 1e9:
        return duration_text(round(value * NS_PER_S))
    if unit == "bytes" and abs(value) < 1e18:
        return bytes_text(round(value))
    return f"{value:.4g}{unit if unit.startswith('/') else ' ' * bool(unit) + unit}"
