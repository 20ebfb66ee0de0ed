"""Which positions of the endless sequence one rank takes in each microbatch, and how much each counts; pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.data.arrays import Ints


@dataclass(frozen=True, slots=True)
class Share:
    """One rank's part of each step: positions [r*G//W, (r+1)*G//W) of the step's G, cut into microbatches.

    Any number of ranks up to G can share a step. All ranks have the same number of microbatches, and their sizes differ
    by one at most; a rank with fewer samples than microbatches takes its first one again, with weight 0.
    """

    global_batch: int
    world_size: int
    rank: int
    num_microbatches: int

    @classmethod
    def divide(cls, global_batch: int, *, rank: int, world_size: int, microbatch: int | None = None) -> Share:
        """The share of a rank.

        Args:
          global_batch: samples of a step.
          rank: whose share.
          world_size: among how many.
          microbatch: most samples in a microbatch; the whole part of a rank by default. Where all ranks have equal
            parts, so have all microbatches.
        Raises: ValueError: there are more ranks than samples, or there is no such rank.
        """
        if not 0 <= rank < world_size:
            raise ValueError(f"rank is {rank}; it must be in 0 .. {world_size - 1}")
        if world_size > global_batch:
            raise ValueError(f"global_batch {global_batch} cannot be shared by {world_size} ranks: use {global_batch}")
        local, rest = divmod(global_batch, world_size)
        most = min(microbatch or global_batch, local + (rest > 0))
        if rest:
            return cls(global_batch, world_size, rank, -(-(local + 1) // most))
        return cls(global_batch, world_size, rank, local // next(n for n in range(most, 0, -1) if local % n == 0))

    @property
    def largest(self) -> int:
        """Samples in the largest microbatch of this rank."""
        return max(len(self.positions(number)) for number in range(self.num_microbatches))

    @property
    def weights(self) -> tuple[float, ...]:
        """What the mean loss of each microbatch counts: the mean of all ranks' weighted sums is that over the step."""
        counts = np.diff(self._bounds())
        return tuple((counts * self.world_size / self.global_batch).tolist())

    def positions(self, number: int) -> Ints:
        """Positions of microbatch `number`, counted from the beginning of training."""
        step, part = divmod(number, self.num_microbatches)
        bounds = self._bounds()
        first, last = int(bounds[part]), int(bounds[part + 1])
        if first == last:
            first, last = int(bounds[0]), int(bounds[0]) + 1
        return np.arange(step * self.global_batch + first, step * self.global_batch + last, dtype=np.int64)

    def _bounds(self) -> Ints:
        """Where microbatches begin and end inside a step."""
        first = self.rank * self.global_batch // self.world_size
        size = (self.rank + 1) * self.global_batch // self.world_size - first
        return first + np.arange(self.num_microbatches + 1, dtype=np.int64) * size // self.num_microbatches
