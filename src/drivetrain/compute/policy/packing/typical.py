"""What is asked for most often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from drivetrain.compute.policy.packing.words import Shape

TYPICAL_PCT = 95.0
"""Of all that is asked for, as FGD has it."""


def typical(shapes: Iterable[Shape]) -> Mapping[Shape, float]:
    """The most frequent shapes that together are 95 % of all, and how often each comes; 1 in all.

    Memory is no part of it, as in FGD.
    Source: FGD's simulator, `GetTypicalPods`.
    """
    counts = Counter(replace(shape, memory_mib=0) for shape in shapes).most_common()
    wanted = TYPICAL_PCT / 100 * sum(count for _, count in counts)
    chosen, total = {}, 0
    for shape, count in counts:
        if total >= wanted:
            break
        chosen[shape] = count
        total += count
    return {shape: count / total for shape, count in chosen.items()}
