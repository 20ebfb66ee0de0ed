"""Read messages of the log, so that the ops after have them in memory."""

from __future__ import annotations

from dataclasses import dataclass

from drivetrain.data.pipeline.description import Op
from drivetrain.data.pipeline.item import Item


@dataclass(frozen=True)
class Read(Op):
    """Unread parts become what their streams give (`data/log.py` says what that is, with shapes and units).

    Attributes:
      parts: to read.
    """

    parts: tuple[str, ...]

    def __call__(self, item: Item) -> Item:
        """The item with its parts in memory. Raises SampleError: one cannot be read."""
        return item.with_parts(**{name: item.read(name) for name in self.parts})
