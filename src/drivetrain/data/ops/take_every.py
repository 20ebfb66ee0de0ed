"""Keep one item in so many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from drivetrain.data.pipeline.description import Op
from drivetrain.data.pipeline.item import Item


@dataclass(frozen=True)
class TakeEvery(Op):
    """Items whose number in the source is a multiple of `nth`; the rest are dropped.

    Attributes:
      nth: 1 keeps all.
    """

    nth: int
    is_cheap: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.nth < 1:
            raise ValueError(f"nth is {self.nth}; it must be 1 or more")

    def __call__(self, item: Item) -> Item | None:
        """The item, or None."""
        return item if item.number % self.nth == 0 else None
