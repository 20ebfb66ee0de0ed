"""What a step took before it was profiled, from the rank's own journal: a run that is not profiled measures nothing."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from statistics import median

_TAIL_BYTES = 1 << 18
_LEAST_STEPS = 5
_MOST_STEPS = 200
_BEGIN = re.compile(rb'\{"k":"step_begin","t":(\d+),"step":(\d+)')


def step_ns(journal: Path, before_step: int) -> int | None:
    """Median time from one step's beginning to the next one's, over the last 200 before a step; None if under 5."""
    try:
        with journal.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
            begins = [(int(t), int(step)) for t, step in _BEGIN.findall(file.read())]
    except OSError:
        return None
    turns = [
        after - begun for (begun, step), (after, following) in pairwise(begins) if following == step + 1 <= before_step
    ]
    return round(median(turns[-_MOST_STEPS:])) if len(turns) >= _LEAST_STEPS else None
