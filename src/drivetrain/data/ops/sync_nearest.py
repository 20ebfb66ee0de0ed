"""Give each item the message of another stream that is nearest in time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from drivetrain.core.errors import SampleError
from drivetrain.data.arrays import Ints
from drivetrain.data.log import Log
from drivetrain.data.pipeline.description import Op
from drivetrain.data.pipeline.item import Item, Unread


@dataclass(frozen=True)
class SyncNearest(Op):
    """The nearest message within a tolerance, of two as near the earlier; an item that has none is dropped.

    Takes column `t_ns`. Gives `parts`, unread, and a column with the stamp found minus `t_ns`, nanoseconds.

    Attributes:
      parts: name of each part to give -> the stream that it is a message of; only stamps that all these streams have
        count, and of equal stamps in a stream the first.
      tolerance_ns: the largest distance that still counts, inclusive.
      offset: name of the column.
    """

    parts: tuple[tuple[str, str], ...]
    tolerance_ns: int
    offset: str
    is_cheap: ClassVar[bool] = True

    def __call__(self, item: Item) -> Item | None:
        """The item with its messages, or None."""
        if item.log is None:
            raise SampleError(f"{item.key} has no log to find messages in")
        stamps_N, index_KN = _common(item.log, tuple(stream for _, stream in self.parts))
        t_ns = int(str(item.columns["t_ns"]))
        at = _nearest(stamps_N, t_ns)
        if at is None or abs(int(stamps_N[at]) - t_ns) > self.tolerance_ns:
            return None
        found = {name: Unread(stream, int(index_KN[k, at])) for k, (name, stream) in enumerate(self.parts)}
        return item.with_parts(**found).with_columns(**{self.offset: int(stamps_N[at]) - t_ns})

    def num_stamps(self, log: Log) -> int:
        """How many stamps of a log count."""
        return len(_common(log, tuple(stream for _, stream in self.parts))[0])


@lru_cache(maxsize=4)
def _common(log: Log, streams: tuple[str, ...]) -> tuple[Ints, Ints]:
    """Stamps that all streams have, sorted, and where each stream has them (number of streams x N)."""
    missing = [name for name in streams if name not in log.streams]
    if missing:
        raise SampleError(f"log {log.name} has no stream {missing[0]}; it has {', '.join(sorted(log.streams))}")
    first = [np.unique(log.streams[name].t_ns, return_index=True) for name in streams]
    stamps_N = first[0][0]
    for stamps, _ in first[1:]:
        stamps_N = np.intersect1d(stamps_N, stamps, assume_unique=True)
    index = [where[np.searchsorted(stamps, stamps_N)] for stamps, where in first]
    return stamps_N.astype(np.int64), np.stack(index).astype(np.int64)


def _nearest(stamps_N: Ints, t_ns: int) -> int | None:
    if not len(stamps_N):
        return None
    after = int(np.searchsorted(stamps_N, t_ns))
    near = [at for at in (after - 1, after) if 0 <= at < len(stamps_N)]
    return min(near, key=lambda at: abs(int(stamps_N[at]) - t_ns))  # min keeps the first, the earlier
