"""Say of each item whether training may see it, by when it was recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from drivetrain.core.errors import SampleError
from drivetrain.data.pipeline.description import Op
from drivetrain.data.pipeline.item import Item


@dataclass(frozen=True)
class SplitByTime(Op):
    """Column `split`: `train` before a stamp, `held_out` from it on.

    Takes the sum of whole-number columns as the item's stamp, such as `t_ns` and `lidar_offset_ns` for that of its
    sweep: items that share a sweep are then never parted.

    Attributes:
      columns: nanoseconds.
      cut_ns: the first stamp that is held out.
    """

    columns: tuple[str, ...]
    cut_ns: int
    is_cheap: ClassVar[bool] = True

    def __call__(self, item: Item) -> Item:
        """The item with its split. Raises SampleError: a column is no whole number."""
        stamps = [item.columns.get(name) for name in self.columns]
        if not all(isinstance(stamp, int) for stamp in stamps):
            raise SampleError(f"{item.key} has {dict(zip(self.columns, stamps, strict=True))}; expected nanoseconds")
        t_ns = sum(stamp for stamp in stamps if isinstance(stamp, int))
        return item.with_columns(split="train" if t_ns < self.cut_ns else "held_out")
