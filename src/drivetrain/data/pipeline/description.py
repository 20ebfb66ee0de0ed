"""A pipeline as a value: `source | op | op + op | sink`; frozen, comparable, printable, nothing opened.

`|` begins a new step, whose results are kept so that they need not be made again. `+` joins ops into one step: what
goes from one to the next stays in memory and is not kept.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from drivetrain.data.log import Log
from drivetrain.data.pipeline.item import Item
from drivetrain.data.pipeline.tally import Tally


class Op(ABC):
    """A pure function from one item to an item, none or several; subclass it with a frozen dataclass in its own file.

    The fields are its settings, plain values. What it gives depends on them and on the item alone, so that equal input
    has equal output in any thread, process or machine. An exception makes the item a bad one: skipped and named.

    Attributes:
      holds_gil: its work is Python code rather than a library's, so threads would not help: processes run it.
      is_cheap: quicker done again than stored; a step of cheap ops alone is not kept, and runs between the others.
    """

    holds_gil: ClassVar[bool] = False
    is_cheap: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, item: Item) -> Item | Iterable[Item] | None:
        """What becomes of an item; None drops it."""

    def __add__(self, other: Op | Step) -> Step:
        """One step that does this and then the other."""
        return Step((self,)) + other

    @property
    def name(self) -> str:
        """What people call it."""
        return type(self).__name__


@dataclass(frozen=True)
class Step:
    """Ops done one after the other, without storing what is between them."""

    ops: tuple[Op, ...]

    def __add__(self, other: Op | Step) -> Step:
        """One step that does this and then the other."""
        return Step(self.ops + (other.ops if isinstance(other, Step) else (other,)))

    @property
    def name(self) -> str:
        """Its ops' names."""
        return " + ".join(op.name for op in self.ops)

    @property
    def holds_gil(self) -> bool:
        """Whether any op does."""
        return any(op.holds_gil for op in self.ops)

    @property
    def is_cheap(self) -> bool:
        """Whether every op is."""
        return all(op.is_cheap for op in self.ops)


@dataclass(frozen=True, eq=False)
class Opened:
    """A source with its content at hand.

    Attributes:
      name: what people call it.
      items: made when they are asked for; a copy elsewhere has equal ones at equal places.
      content_hash: of everything that the items come from; may have to read all of it.
      code: version of the code that reads it.
      log: where the items' unread parts are read from.
    """

    name: str
    items: Sequence[Item]
    content_hash: Callable[[], str]
    code: str
    log: Log | None = None


class Source(ABC):
    """Where items come from; subclass it with a frozen dataclass."""

    @abstractmethod
    def open(self) -> Opened:
        """Find the content. Raises DataError: it is not there."""

    @property
    def is_portable(self) -> bool:
        """Whether another process can open it too; False when it holds something that is open already."""
        return True

    def __or__(self, other: Op | Step | Sink) -> Pipeline:
        """The pipeline that begins with it."""
        return Pipeline(self) | other


class Sink(ABC):
    """Where items end; subclass it with a frozen dataclass."""

    @abstractmethod
    def write(self, items: Iterator[Item], tally: Tally) -> object:
        """Take all items, in the source's order, and give what was made.

        Args:
          items: to be taken once.
          tally: what became of the items so far; complete when `items` has ended.
        """


@dataclass(frozen=True)
class Pipeline:
    """What to do, and nothing about how: build one with `|`."""

    source: Source
    steps: tuple[Step, ...] = ()
    sink: Sink | None = None

    def __or__(self, other: Op | Step | Sink) -> Pipeline:
        """The pipeline with one more step, or with its end."""
        if self.sink is not None:
            raise TypeError(f"the pipeline ends with {type(self.sink).__name__}; nothing can follow it")
        if isinstance(other, Sink):
            return replace(self, sink=other)
        if not isinstance(other, Op | Step):
            raise TypeError(f"{other!r} is no Op, Step or Sink")
        return replace(self, steps=(*self.steps, other if isinstance(other, Step) else Step((other,))))

    def __str__(self) -> str:
        ends = [] if self.sink is None else [type(self.sink).__name__]
        return " | ".join([type(self.source).__name__, *(step.name for step in self.steps), *ends])
