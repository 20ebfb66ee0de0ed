"""What flows through a pipeline: an item with named parts and columns, and an entry, one place of the source with all
that became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace

import numpy as np

from drivetrain.core.errors import SampleError
from drivetrain.data.log import Log


@dataclass(frozen=True, slots=True)
class Unread:
    """A message of the log that nobody has read yet: what stands for a large part until an op needs it.

    Attributes:
      stream: its name.
      index: of the message in the stream.
    """

    stream: str
    index: int


@dataclass(frozen=True, eq=False)
class Item:
    """One thing on its way from a log to a data set; ops give back changed copies.

    Attributes:
      key: unique in the pipeline; of items made from one, the op sees to it.
      number: which item of the source it came from.
      parts: by name: arrays without objects, bytes, what a stream of a log gives, `Unread`, or plain values.
      columns: plain values (None, bool, int, float, str, lists and dicts of them) for the row of the index.
      log: where unread parts are read from; never stored, given again by whoever runs the pipeline.
    """

    key: str
    number: int
    parts: Mapping[str, object]
    columns: Mapping[str, object]
    log: Log | None = field(default=None, repr=False)

    def read(self, part: str) -> object:
        """The content of a part. Raises SampleError: there is no such part, or its message cannot be read."""
        if part not in self.parts:
            raise SampleError(f"{self.key} has no part {part}; it has {', '.join(sorted(self.parts)) or 'none'}")
        value = self.parts[part]
        if not isinstance(value, Unread):
            return value
        if self.log is None or value.stream not in self.log.streams:
            raise SampleError(f"part {part} of {self.key} is in stream {value.stream}, which no log here has")
        return self.log.streams[value.stream].read(value.index)

    def with_parts(self, **parts: object) -> Item:
        """With these parts added or in place of those of the same name."""
        return replace(self, parts={**self.parts, **parts})

    def without_parts(self, *names: str) -> Item:
        """Without these parts, whether they are there or not."""
        return replace(self, parts={name: value for name, value in self.parts.items() if name not in names})

    def only_parts(self, parts: Mapping[str, object]) -> Item:
        """With these parts and no others."""
        return replace(self, parts=parts)

    def with_columns(self, **columns: object) -> Item:
        """With these columns added or in place of those of the same name."""
        return replace(self, columns={**self.columns, **columns})

    @property
    def num_bytes(self) -> int:
        """How much memory its parts take; what is not read yet takes none."""
        return sum(_num_bytes(value) for value in self.parts.values())


@dataclass(frozen=True, slots=True)
class Bad:
    """An item that an op could not take, and why."""

    key: str
    op: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One place of the source, and what became of it so far.

    Attributes:
      number: of the source's item.
      items: what there is of it now: one, none or several.
      dropped: the op that gave nothing for it, once for each item that ended there.
      bad: items that an op could not take.
    """

    number: int
    items: tuple[Item, ...]
    dropped: tuple[str, ...] = ()
    bad: tuple[Bad, ...] = ()

    @property
    def num_bytes(self) -> int:
        """How much memory its items take."""
        return sum(item.num_bytes for item in self.items)

    def bound(self, log: Log | None) -> Entry:
        """With a log for its items to read from."""
        return replace(self, items=tuple(replace(item, log=log) for item in self.items))


def _num_bytes(value: object) -> int:
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, bytes | str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_num_bytes, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_num_bytes, value))
    if is_dataclass(value) and not isinstance(value, Unread):
        return sum(_num_bytes(getattr(value, each.name)) for each in fields(value))
    return 0 if isinstance(value, Unread) else 8
