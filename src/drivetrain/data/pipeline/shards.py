"""The end of a pipeline: a data set of its items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from drivetrain.core.errors import UsageError
from drivetrain.data.dataset import DataSet
from drivetrain.data.pipeline.description import Sink
from drivetrain.data.pipeline.item import Item
from drivetrain.data.pipeline.tally import Tally
from drivetrain.data.sample import Encoded
from drivetrain.data.versions import write_dataset


@dataclass(frozen=True)
class Shards(Sink):
    """Tar shards with an index, whole or not there. Gives the opened `DataSet`.

    Items' parts must be bytes, called like files (`image.jpg`): let `Encode` be the last op that touches them. Column
    `split` says what a sample is for, `train` where there is none.

    Attributes:
      out: the folder to make.
    """

    out: str | Path

    def write(self, items: Iterator[Item], tally: Tally) -> DataSet:
        """Write all items. Raises StoreError: the folder is there already, or the disk would not take it."""
        facts: dict[str, Any] = {}

        def samples() -> Iterator[Encoded]:
            yield from map(as_sample, items)
            facts.update(dropped=dict(tally.dropped), skipped=tally.bad)

        return write_dataset(self.out, samples(), inputs=tally.inputs, steps=tally.history, facts=facts)


def as_sample(item: Item) -> Encoded:
    """An item whose parts are bytes. Raises UsageError: one is not."""
    wrong = [name for name, value in item.parts.items() if not isinstance(value, bytes)]
    if wrong:
        raise UsageError(
            f"part {wrong[0]} of {item.key} is {type(item.parts[wrong[0]]).__name__}, not the bytes of a file",
            hint="let Encode name the files to store, such as Encode(('image.jpg',))",
        )
    return Encoded(item.key, cast("Mapping[str, bytes]", item.parts), item.columns)
