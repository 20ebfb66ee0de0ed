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
_FEWEST_PAIRS = 3


def metrics_of(
    samples: Sequence[Sample], higher_is_better: frozenset[str], judged: frozenset[str] | None, *, is_own: bool
) -> dict[str, Metric]:
    """Metrics of what all processes measured; what only some of them did is left out.

    Args:
      samples: at least one.
      higher_is_better: names whose values should grow, besides those that end in `_per_s`.
      judged: names that verdicts rest on; None for all but those that explain.
      is_own: whether the suite has measured for itself: time and CPU of the whole function are then for information.
    """
    names = [name for name in samples[0] if all(name in sample for sample in samples)]
    unjudged = _UNJUDGED | ({"wall_s", "cpu_s"} if is_own else set())
    return {
        name: Metric(
            unit=next((unit for end, unit in _UNITS.items() if name.endswith(end)), ""),
            samples=tuple(sample[name] for sample in samples),
            better="higher" if name.endswith("_per_s") or name in higher_is_better else "lower",
            is_judged=name not in unjudged if judged is None else name in judged,
        )
        for name in names
    }


def noise_floor(pairs: Sequence[tuple[Sample, Sample]], *, is_same_code: bool) -> dict[str, float]:
    """By what share two measurements of the same code differ, when they have taken turns.

    A standard deviation of the logarithm of their ratio, made from the median of absolute deviations, so that a few
    outliers do not raise it. What pairs of different code have in common is the difference of the code, and only how
    they differ from that counts.

    Args:
      pairs: one for each pair of processes.
      is_same_code: whether both of a pair measured the same: an A/A run.
    Returns: by name; nothing where there are fewer than 3 pairs or a value is not above 0.
    """
    found: dict[str, float] = {}
    for name in pairs[0][0] if len(pairs) >= _FEWEST_PAIRS else ():
        values = [(one.get(name, 0.0), other.get(name, 0.0)) for one, other in pairs]
        if all(one > 0 and other > 0 for one, other in values):
            ratios = [math.log(other / one) for one, other in values]
            middle = 0.0 if is_same_code else statistics.median(ratios)
            found[name] = _MAD_TO_SIGMA * statistics.median(abs(ratio - middle) for ratio in ratios)
    return found


def turns_of(num_pairs: int, *, has_other: bool) -> str:
    """Who is measured when: `ABBAABBA...`, or `BBBB...` where there is nothing to measure against."""
    return "".join(("AB", "BA")[pair % 2] for pair in range(num_pairs)) if has_other else "B" * num_pairs
