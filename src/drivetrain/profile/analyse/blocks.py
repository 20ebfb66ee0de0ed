"""Changes of allocated memory -> blocks with a begin and an end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.profile.analyse.links import Rows
from drivetrain.profile.trace import NONE, Ints, MemoryColumns


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Blocks of memory of one device; shape (B,) each; empty where no addresses are told.

    Attributes:
      begin: place of the change that allocated it, NONE where that was before the trace.
      end: place of the change that freed it, or that allocated its address anew; NONE where none did.
      size_bytes: as allocated, or as freed where that is all there is.
      earlier_bytes: the least that must have been held before the first change.
    """

    begin: Rows
    end: Rows
    size_bytes: Ints
    earlier_bytes: int

    def live_after(self, place: int) -> Rows:
        """Places of the blocks that are allocated after this change."""
        begun = self.begin <= place  # NONE is less than any place
        kept: Rows = np.flatnonzero(begun & ((self.end == NONE) | (self.end > place)))
        return kept


def blocks_of(changes: MemoryColumns, rows: Rows) -> Blocks:
    """The blocks that these changes, of one device and in order of time, allocate and free."""
    size, address = changes.size_bytes[rows], changes.address[rows]
    told = np.flatnonzero((address != NONE) & (size != 0))
    order = told[np.argsort(address[told], kind="stable")]
    again = address[order[1:]] == address[order[:-1]]
    following = np.append(np.where(again, order[1:], NONE), NONE)[: len(order)]
    before = np.append(NONE, np.where(again, order[:-1], NONE))[: len(order)]
    allocates = size[order] > 0
    begun = allocates
    unbegun = ~allocates & ((before == NONE) | (size[before] < 0))
    whole = np.cumsum(size) if len(size) else np.zeros(1, np.int64)
    earlier = int(-size[order[unbegun]].sum()) if len(order) else -int(min(whole.min(), 0))
    return Blocks(
        begin=np.concatenate([order[begun], np.full(int(unbegun.sum()), NONE)]),
        end=np.concatenate([following[begun], order[unbegun]]),
        size_bytes=np.concatenate([size[order[begun]], -size[order[unbegun]]]),
        earlier_bytes=earlier,
    )
