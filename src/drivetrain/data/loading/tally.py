"""Where the time of a loader goes, stage by stage; a few clock readings a sample."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, fields

now_ns = time.perf_counter_ns


@dataclass(slots=True)
class Tally:
    """Nanoseconds by stage, of one thread or of several added up. Only one thread may write one.

    Attributes:
      read_ns: bytes from disk, cache or bucket.
      decode_ns: bytes to arrays, with resizing.
      augment_ns: the augmentation.
      collate_ns: into the batch, where a part was not decoded there.
      idle_ns: threads that had nothing to do, since enough was ready.
      wait_ns: whoever iterates waited for a batch that was not ready.
      num_samples: put into batches.
      num_ready: batches that were ready when they were asked for.
      num_batches: asked for.
      read_bytes: of samples, as stored.
    """

    read_ns: int = 0
    decode_ns: int = 0
    augment_ns: int = 0
    collate_ns: int = 0
    idle_ns: int = 0
    wait_ns: int = 0
    num_samples: int = 0
    num_ready: int = 0
    num_batches: int = 0
    read_bytes: int = 0

    @classmethod
    def total(cls, tallies: Iterable[Tally]) -> Tally:
        """Added up."""
        tallies = list(tallies)
        return cls(**{each.name: sum(getattr(tally, each.name) for tally in tallies) for each in fields(cls)})

    def since(self, before: Tally) -> Tally:
        """What came on top of an earlier total."""
        return Tally(**{each.name: getattr(self, each.name) - getattr(before, each.name) for each in fields(Tally)})

    @property
    def busy_ns(self) -> int:
        """Of threads, at work."""
        return self.read_ns + self.decode_ns + self.augment_ns + self.collate_ns
