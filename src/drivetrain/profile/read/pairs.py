"""Spans that are written as two events, a begin and an end."""

from __future__ import annotations

from typing import Any

import numpy as np

from drivetrain.profile.read.columns import Columns, Types
from drivetrain.profile.trace import NONE, Ints

BEGIN_TYPES: Types = {name: np.dtype(np.int64) for name in ("row", "ts_ns", "thread", "place")}
END_TYPES: Types = {name: np.dtype(np.int64) for name in ("ts_ns", "thread", "place")}


def durations(begins: Columns, ends: Columns) -> tuple[Ints, int]:
    """How long each begun span took, NONE where it has no end, and the number of ends without a begin.

    An end closes the last begin of its thread that is still open, as times go; events of one time, as the file goes.

    Args:
      begins: `ts_ns`, `thread`, `place` in the file; shape (B,).
      ends: the same; shape (E,).
    Source: "Duration Events" in the Trace Event Format, Google, 2016.
    """
    num_begins = len(begins["ts_ns"])
    both: dict[str, Any] = {name: np.concatenate((begins[name], ends[name])) for name in END_TYPES}
    found = np.full(num_begins, NONE, np.int64)
    is_open: dict[int, list[int]] = {}
    num_lone = 0
    for at in np.lexsort((both["place"], both["ts_ns"])).tolist():
        stack = is_open.setdefault(int(both["thread"][at]), [])
        if at < num_begins:
            stack.append(at)
        elif stack:
            begin = stack.pop()
            found[begin] = both["ts_ns"][at] - both["ts_ns"][begin]
        else:
            num_lone += 1
    return found, num_lone
