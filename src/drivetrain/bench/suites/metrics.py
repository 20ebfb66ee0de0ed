"""Numbers by name, from each process that measured them -> metrics with units, and how far equal code differs; pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from drivetrain.bench.results import Metric

Sample = Mapping[str, float]
"""What one process measured."""

_UNITS = {"_per_s": "/s", "_s": "s", "_ms": "ms", "_us": "us", "_ns": "ns", "_bytes": "bytes", "_pct": "%"}
_UNJUDGED = frozenset({"instructions", "alloc_peak_bytes"})  # they explain; nobody waits for them
_MAD_TO_SIGMA = 1.4826


def metrics_of(samples: Sequence[Sample], higher_is_better: frozenset[str], *, is_own: bool) -> dict[str, Metric]:
    """Metrics of what all processes measured; what only some of them did is left out.

    Args:
      samples: at least one.
      higher_is_better: names whose values should grow, besides those that end in `_per_s`.
      is_own: whether the suite has measured for itself: time and CPU of the whole function are then for information.
    """
    names = [name for name in samples[0] if all(name in sample for sample in samples)]
    unjudged = _UNJUDGED | ({"wall_s", "cpu_s"} if is_own else set())
    return {
        name: Metric(
            unit=next((unit for end, unit in _UNITS.items() if name.endswith(end)), ""),
            samples=tuple(sample[name] for sample in samples),
            better="higher" if name.endswith("_per_s") or name in higher_is_better else "lower",
            is_judged=name not in unjudged,
        )
        for name in names
    }


def noise_floor(samples: Sequence[Sample], order: str, side: str) -> dict[str, float]:
    """By what share two measurements of the same code differ, from those that were made one right after the other.

    In ABBA every second pair of neighbours is of one side, and where there is one side its samples take turns in pairs:
    an A/A run in the same session, at no cost. The share is a standard deviation, made from the median of absolute
    differences so that a few outliers do not raise it.

    Args:
      order: in which the sides took turns.
      side: whose samples these are.
    Returns: by name; nothing where fewer than 3 such pairs were made or a value is not above 0.
    """
    turns = [at for at, taken in enumerate(order) if taken == side]
    pairs = [k for k in range(len(samples) - 1) if turns[k + 1] == turns[k] + 1]
    if set(order) == {side}:
        pairs = pairs[::2]  # each sample in one pair
    found = {}
    for name in samples[0]:
        values = [(samples[k].get(name, 0.0), samples[k + 1].get(name, 0.0)) for k in pairs]
        if len(values) < 3 or not all(one > 0 and other > 0 for one, other in values):
            continue
        apart = [abs(math.log(other / one)) for one, other in values]
        found[name] = _MAD_TO_SIGMA * statistics.median(apart)
    return found


def turns_of(num_pairs: int, *, has_other: bool) -> str:
    """Who is measured when: `ABBAABBA...`, or `BBBB...` where there is nothing to measure against."""
    return "".join(("AB", "BA")[pair % 2] for pair in range(num_pairs)) if has_other else "B" * num_pairs
