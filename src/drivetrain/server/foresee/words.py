"""Estimates of waits in words: when, how sure, from what it was learned, and that what was told before is late."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from drivetrain.compute.learn.run_times import FEWEST
from drivetrain.compute.learn.waiting import Estimate
from drivetrain.core.units import NS_PER_S, count_text, duration_text

_SHORT_S = 1800.0


def interval(now_s: float, found: Estimate) -> str:
    """Such as `expected start 14:20 UTC, 8 times of 10 between 14:05 and 14:50`; both ends are rounded outwards."""
    unit_s = 1.0 if found.p90_s < _SHORT_S else 60.0
    low_s = (now_s + found.p10_s) // unit_s * unit_s
    high_s = (math.floor((now_s + found.p90_s) / unit_s) + 1) * unit_s
    low, middle, high = (clock(now_s, at_s, unit_s) for at_s in (low_s, now_s + found.p50_s, high_s))
    return f"expected start {middle} UTC, 8 times of 10 between {low} and {high}"


def learned(num_runs: int, whose: str) -> str:
    """That little is known, where it is."""
    if num_runs >= FEWEST or not whose:
        return ""
    return f"learned from {count_text(num_runs, 'run')} like {whose}: wide"


def late(now_s: float, by_s: float, longer: str) -> str:
    """That what was told at first has not come true. Args: longer: a job that runs longer than it should; or empty."""
    by, past = clock(now_s, by_s, 1.0), duration_text(round(now_s - by_s) * NS_PER_S)
    why = f": {longer} runs longer than 9 of 10 like it" if longer else ""
    return f"was expected by {by} UTC; late by {past}{why}"


def clock(now_s: float, at_s: float, unit_s: float) -> str:
    """A time of day to the second or minute, with the day where it is another."""
    now, at = (datetime.fromtimestamp(seconds, tz=UTC) for seconds in (now_s, at_s))
    day = "" if now.date() == at.date() else "%Y-%m-%d "
    return at.strftime(f"{day}%H:%M:%S" if unit_s < 60 else f"{day}%H:%M")
