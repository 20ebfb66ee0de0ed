"""Round numbers along an axis, and how to write them."""

from __future__ import annotations

import itertools
import math

_TIME_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def nice_ticks(low: float, high: float, *, num_wanted: int = 5) -> list[float]:
    """Round values within [low, high], spaced by 1, 2 or 5 times a power of ten; about `num_wanted` of them."""
    if not high > low:
        return [low]
    step = _nice_step((high - low) / num_wanted)
    return _multiples(low, high, step)


def nice_time_ticks_s(end_s: float, *, num_wanted: int = 8) -> list[float]:
    """Round times from zero to `end_s`: whole seconds, minutes, hours or days once it is long enough."""
    if end_s <= 0:
        return [0.0]
    raw = end_s / num_wanted
    if raw <= 1:
        return nice_ticks(0.0, end_s, num_wanted=num_wanted)
    known = next((step for step in _TIME_STEPS_S if step >= raw), None)
    return _multiples(0.0, end_s, float(known or 86400 * math.ceil(raw / 86400)))


def tick_text(value: float, ticks: list[float]) -> str:
    """One tick's number, with as many decimals as the spacing of all of them needs."""
    size = max(abs(tick) for tick in ticks)
    if size >= 1e6 or 0 < size < 1e-4:
        return f"{value:.3g}"
    step = min((b - a for a, b in itertools.pairwise(ticks)), default=abs(value) or 1.0)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    return f"{value:,.{min(decimals, 6)}f}"


def time_tick_text(value_s: float, ticks: list[float]) -> str:
    """A time since the start: `40 s`, `3:20`, `2:05:00`, `3 d 04 h`, all ticks of an axis alike."""
    longest = ticks[-1]
    if longest < 120:
        return f"{tick_text(value_s, ticks)} s"
    whole = round(value_s)
    if longest < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    if longest < 3 * 86400:
        return f"{whole // 3600}:{whole // 60 % 60:02d} h"
    return f"{whole // 86400} d {whole // 3600 % 24:02d} h"


def _nice_step(raw: float) -> float:
    power: float = 10.0 ** math.floor(math.log10(raw))
    return next((m * power for m in (1, 2, 5) if m * power >= raw * 0.75), 10 * power)


def _multiples(low: float, high: float, step: float) -> list[float]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)] or [low]
