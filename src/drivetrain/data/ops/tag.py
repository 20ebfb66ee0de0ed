"""Tag items by a column, so that slices and sampling can ask for them."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import ClassVar, cast

from drivetrain.core.errors import SampleError
from drivetrain.data.pipeline.description import Op
from drivetrain.data.pipeline.item import Item


@dataclass(frozen=True)
class Tag(Op):
    """A word in column `tags` of the items whose value lies in a range.

    Attributes:
      tag: the word.
      column: a number, in the unit that its name ends with.
      at_least, below: the range, in that unit.
    """

    tag: str
    column: str
    at_least: float = -inf
    below: float = inf
    is_cheap: ClassVar[bool] = True

    def __call__(self, item: Item) -> Item:
        """The item, tagged or as it is. Raises SampleError: the column is no number."""
        value, tags = item.columns.get(self.column), cast("list[str]", item.columns.get("tags", []))
        if not isinstance(value, int | float):
            raise SampleError(f"column {self.column} of {item.key} is {value!r}; a tag needs a number")
        if self.tag in tags or not self.at_least <= value < self.below:
            return item
        return item.with_columns(tags=[*tags, self.tag])
