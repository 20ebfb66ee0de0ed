"""What a run does and what became of its items: how many came out, which ops dropped some, which were bad and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from drivetrain.core.errors import DataError
from drivetrain.data.manifest import Step
from drivetrain.data.pipeline.item import Entry


@dataclass
class Tally:
    """Counts of a run, complete when it is over.

    Attributes:
      num_items: the source has.
      inputs: the source's name -> hash of its content.
      history: what is done, op by op.
      num_done: of those, how many are through.
      num_made: items that came out.
      dropped: op -> items that ended there.
      bad: key -> why an op could not take the item.
    """

    num_items: int
    inputs: Mapping[str, str] = field(default_factory=dict)
    history: tuple[Step, ...] = ()
    num_done: int = 0
    num_made: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    bad: dict[str, str] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """Count what became of one of the source's items."""
        self.num_done += 1
        self.num_made += len(entry.items)
        self.dropped.update(entry.dropped)
        self.bad.update({each.key: each.reason for each in entry.bad})

    def refuse_too_many_bad(self, max_bad_pct: float, *, what: str) -> None:
        """Raise DataError when more items are bad than may be, of those that were not dropped.

        While items are still to come, only when they could not bring the share down any more.
        """
        most = self.num_made + len(self.bad) + (self.num_items - self.num_done)
        is_over = self.num_done == self.num_items
        if self.bad and (100 * len(self.bad) > max_bad_pct * most or (is_over and not self.num_made)):
            key, reason = next(iter(self.bad.items()))
            raise DataError(
                f"{len(self.bad)} of {most} {what} cannot be used ({100 * len(self.bad) / most:.0f} %, at most "
                f"{max_bad_pct:.0f} % may be bad); the first is {key}: {reason}",
                hint="drivetrain data check shows what is wrong with the log",
            )
