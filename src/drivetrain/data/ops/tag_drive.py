"""Tag frames by what the vehicle does and what is around it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import ClassVar, cast

from drivetrain.core.errors import SampleError
from drivetrain.data.log import Log
from drivetrain.data.pipeline.description import Op
from drivetrain.data.pipeline.item import Item
from drivetrain.data.tags.frames import DriveTags


@dataclass
class _Kept:
    """Tags of the drives asked for last; each is made once, however many threads ask."""

    made: OrderedDict[int, tuple[Log, DriveTags]] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def of(self, log: Log) -> DriveTags:
        with self.lock:
            if id(log) not in self.made:
                self.made[id(log)] = (log, DriveTags.of(log))
                while len(self.made) > 2:
                    self.made.popitem(last=False)
            return self.made[id(log)][1]


_kept = _Kept()


@dataclass(frozen=True)
class TagDrive(Op):
    """Columns of `data/tags/frames.py` but those of pixels: place, motion, manoeuvres in `tags`, what is around.

    Takes column `t_ns`, and the log's poses, speed and boxes; a value that the log does not tell is None.
    """

    is_cheap: ClassVar[bool] = True

    def __call__(self, item: Item) -> Item:
        """The item with these columns; tags that it has stay."""
        if item.log is None:
            raise SampleError(f"{item.key} has no log to tell what happens at its time")
        found = _kept.of(item.log).at(cast(int, item.columns["t_ns"]))
        tags = [*cast(list[str], item.columns.get("tags", [])), *cast(list[str], found["tags"])]
        return item.with_columns(**{**found, "tags": list(dict.fromkeys(tags))})
