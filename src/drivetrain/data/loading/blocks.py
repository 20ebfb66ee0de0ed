"""Block shuffle: an order that reads runs of neighbours, so that disks and buckets are read by large pieces.

Samples are cut into blocks of neighbours, the blocks are permuted, and each window of so many blocks is shuffled
through. Where the cuts are changes with each epoch, so that the same neighbours do not stay together. Like the full
shuffle it is a pure function of (seed, epoch, position), and needs no memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from drivetrain.data.arrays import Ints
from drivetrain.data.order import mix, permute


@dataclass(frozen=True, slots=True)
class Blocks:
    """How a block shuffle is cut.

    Attributes:
      samples: neighbours in a block.
      window: blocks that are open, and shuffled through, at a time. A cache that holds `samples * window` samples
        fetches each block once an epoch.
    """

    samples: int = 64
    window: int = 256

    def __post_init__(self) -> None:
        if self.samples < 1 or self.window < 1:
            raise ValueError(f"blocks of {self.samples} samples in windows of {self.window}: both must be 1 or more")

    @property
    def span(self) -> int:
        """Samples of a whole window."""
        return self.samples * self.window

    def quality(self, num_samples: int, batch: int) -> float:
        """How varied a batch is, as a share of what a full shuffle gives: 1 is as good.

        The expected number of different blocks that the samples of a batch come from, over the same number under a
        full shuffle. A batch of copies of one scene is worth one sample; this counts how far a block shuffle is from
        that. For 64 x 256 and a batch of 32 of a million samples it is 0.94.

        Args:
          num_samples: in the epoch.
          batch: samples taken one after another, from the beginning of a window on.
        Source: blocks seen in drawing without replacement, sum over blocks of 1 - C(n-b, k) / C(n, k).
        """
        if not 1 <= batch <= num_samples:
            raise ValueError(f"batch is {batch}; it must be in 1 .. {num_samples}")
        span = min(self.span, num_samples)
        num_windows, rest = divmod(batch, span)
        seen = num_windows * self.window + _distinct(span, self.samples, rest)
        return min(1.0, seen / _distinct(num_samples, self.samples, batch))


@dataclass(frozen=True, slots=True)
class BlockOrder:
    """The endless sequence of samples, epoch after epoch, each a fresh block shuffle; as `order.Order`.

    Attributes:
      num_samples: n, at least 1.
      seed: the whole of the randomness.
      blocks: how it is cut.
    """

    num_samples: int
    seed: int = 0
    blocks: Blocks = Blocks()

    def __post_init__(self) -> None:
        if self.num_samples < 1:
            raise ValueError(f"num_samples is {self.num_samples}; an order needs at least one sample")

    def samples_at(self, positions: Ints) -> Ints:
        """Sample numbers (0 .. n-1) at positions of the endless sequence; position p is in epoch p // n."""
        positions = np.asarray(positions, np.int64)
        epochs, places = np.divmod(positions, self.num_samples)
        windows = places // self.blocks.span
        found = np.empty_like(places)
        for epoch, window in sorted(set(zip(epochs.tolist(), windows.tolist(), strict=True))):
            inside = (epochs == epoch) & (windows == window)
            found[inside] = self._window(places[inside], window, mix(self.seed, epoch))
        return found

    def _window(self, places: Ints, window: int, key: int) -> Ints:
        n, size = self.num_samples, self.blocks.samples
        first = window * self.blocks.span
        num_inside = min(self.blocks.span, n - first)
        mixed = first + permute(places - first, num_inside, key=mix(key, 1, window))
        block, within = np.divmod(mixed, size)
        num_whole = n // size  # what is left over is no whole block, and keeps its place at the end
        is_whole = block < num_whole
        if num_whole:
            block[is_whole] = permute(block[is_whole], num_whole, key=mix(key, 2))
        shift = mix(key, 3) % n
        return (block * size + within + shift) % n


def _distinct(total: int, size: int, drawn: int) -> float:
    """Blocks of `size` among `total` samples that `drawn` of these are expected to come from."""
    num_whole, rest = divmod(total, size)
    return num_whole * _hit(total, size, drawn) + (_hit(total, rest, drawn) if rest else 0.0)


def _hit(total: int, size: int, drawn: int) -> float:
    """The chance that a block is among those drawn: 1 - C(total - size, drawn) / C(total, drawn)."""
    if drawn > total - size:
        return 1.0
    log_missed = sum(
        sign * math.lgamma(count + 1)
        for sign, count in ((1, total - size), (-1, total - size - drawn), (-1, total), (1, total - drawn))
    )
    return -math.expm1(log_missed)
