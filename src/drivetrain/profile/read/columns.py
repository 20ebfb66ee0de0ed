"""Columns while they grow: arrays by name, block after block, then one array each in order of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.profile.trace import NONE, Ints

Columns = dict[str, npt.NDArray[Any]]
Types = Mapping[str, np.dtype[Any]]

_I64, _I32 = np.dtype(np.int64), np.dtype(np.int32)
SPAN_TYPES: Types = {
    **dict.fromkeys(("ts_ns", "dur_ns", "correlation", "external", "sequence", "size_bytes"), _I64),
    **dict.fromkeys(("name", "thread", "device", "stream", "dims", "types", "inputs", "stack", "module"), _I32),
    **dict.fromkeys(("python_parent", "python_id", "python_module", "collective"), _I32),
    "kind": np.dtype(np.int8),
}
MEMORY_TYPES: Types = {
    **dict.fromkeys(("ts_ns", "size_bytes", "total_bytes", "address"), _I64),
    **dict.fromkeys(("device", "thread"), _I32),
}


@dataclass(slots=True)
class Block:
    """Columns of one block of a file, empty where it has no such rows; `row` and `place` count from its begin."""

    order: int
    num_events: int
    spans: Columns = field(default_factory=dict)
    changes: Columns = field(default_factory=dict)
    begins: Columns = field(default_factory=dict)
    ends: Columns = field(default_factory=dict)


def integers(values: Sequence[int | None], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """An array of them; NONE for those that are None or do not fit."""
    try:
        return np.array(values, dtype)
    except (TypeError, OverflowError):
        least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
        return np.array([NONE if v is None or not least <= v <= most else v for v in values], dtype)


def joined(blocks: Sequence[Columns], types: Types) -> Columns:
    """All blocks as one, NONE where a block lacks a column; they are taken apart on the way.

    Args:
      blocks: each empty, or with `ts_ns` among its columns.
      types: of all columns.
    """
    lengths = [len(block.get("ts_ns", ())) for block in blocks]
    whole = {}
    for name, dtype in types.items():
        whole[name] = column = np.full(sum(lengths), NONE, dtype)
        begin = 0
        for block, length in zip(blocks, lengths, strict=True):
            if name in block:
                column[begin : begin + length] = block.pop(name)
            begin += length
    return whole


def order_of(ts_ns: Ints, dur_ns: Ints) -> npt.NDArray[np.intp]:
    """Rows by begin, of equal begins the longer first, of equal both the first in the file.

    The same as a sort by three keys, but most begins are different, and those that are not are few to sort again.
    """
    order = np.argsort(ts_ns, kind="stable")
    begins = ts_ns[order]
    is_tie = np.zeros(len(order), bool)
    is_same = begins[1:] == begins[:-1]
    is_tie[1:] |= is_same
    is_tie[:-1] |= is_same
    ties = np.flatnonzero(is_tie)
    rows = order[ties]
    order[ties] = rows[np.lexsort((-dur_ns[rows], begins[ties]))]
    return order


def in_order(columns: Columns, order: npt.NDArray[np.intp]) -> Columns:
    """The rows of all columns in this order; takes `columns` apart."""
    return {name: columns.pop(name)[order] for name in list(columns)}
