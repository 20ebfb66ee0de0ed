"""Positions of the endless sequence -> samples of one or several data sets: a pure function, whoever asks."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np

from drivetrain.data.arrays import Ints
from drivetrain.data.loading.blocks import BlockOrder, Blocks
from drivetrain.data.loading.mix import Mix
from drivetrain.data.order import Order, mix


class AnyOrder(Protocol):
    """An endless sequence of the numbers 0 .. n-1, epoch after epoch."""

    @property
    def num_samples(self) -> int:
        """Of an epoch: n."""
        ...

    def samples_at(self, positions: Ints, /) -> Ints:
        """The numbers at positions."""
        ...


@dataclass(frozen=True, eq=False, slots=True)
class Group:
    """Samples of one data set that are drawn equally often.

    Attributes:
      source: which data set.
      rows: their rows in it.
      share: of all positions, up to a factor that all groups have in common.
    """

    source: int
    rows: Ints
    share: Fraction


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sample is.

    Attributes:
      source: which data set.
      row: in that data set.
      epoch: how often all samples of its group were taken before, which is the epoch of its augmentation.
      number: among the samples of its group.
    """

    source: int
    row: int
    epoch: int
    number: int


@dataclass(frozen=True, eq=False)
class Sequence:
    """Groups, each in an order of its own, interleaved at the ratio of their shares.

    Attributes:
      groups: at least one, none empty.
      orders: one a group.
      ratios: how groups are interleaved.
      num_samples: positions of one epoch: as many as there are samples in all groups.
    """

    groups: tuple[Group, ...]
    orders: tuple[AnyOrder, ...]
    ratios: Mix
    num_samples: int

    @classmethod
    def of(cls, groups: SequenceOf[Group], *, seed: int, blocks: Blocks | None = None) -> Sequence:
        """Each group shuffled by a seed of its own; fully, or in blocks."""
        seeds = [seed] if len(groups) == 1 else [mix(seed, number, 7) for number in range(len(groups))]
        orders = tuple(
            Order(len(group.rows), own) if blocks is None else BlockOrder(len(group.rows), own, blocks)
            for group, own in zip(groups, seeds, strict=True)
        )
        shares = Mix.of([group.share for group in groups])
        return cls(tuple(groups), orders, shares, sum(len(group.rows) for group in groups))

    def at(self, positions: Ints) -> list[Place]:
        """The samples at positions."""
        return [self._place(*turn) for turn in self._turns(positions)]

    def instead(self, position: int) -> SequenceOf[Place]:
        """The sample at a position, and those after it in its group's epoch, wrapping round; computed as asked."""
        ((group, turn, _),) = self._turns(np.array([position], np.int64))
        return _Following(self, group, turn)

    def _turns(self, positions: Ints) -> list[tuple[int, int, int]]:
        """Of each position its group, how often that was taken before, and the number of the sample."""
        groups, turns = self.ratios.at(positions)
        numbers = np.empty_like(turns)
        for group in np.unique(groups):
            inside = groups == group
            numbers[inside] = self.orders[group].samples_at(turns[inside])
        return list(zip(groups.tolist(), turns.tolist(), numbers.tolist(), strict=True))

    def _place(self, group: int, turn: int, number: int) -> Place:
        found = self.groups[group]
        return Place(found.source, int(found.rows[number]), turn // self.orders[group].num_samples, number)


@dataclass(frozen=True, eq=False)
class _Following(SequenceOf[Place]):
    sequence: Sequence
    group: int
    turn: int

    def __len__(self) -> int:
        return self.sequence.orders[self.group].num_samples

    def __getitem__(self, ahead: int) -> Place:  # type: ignore[override]  # no slices
        if not 0 <= ahead < len(self):
            raise IndexError(ahead)
        first = self.turn - self.turn % len(self)
        turn = first + (self.turn + ahead) % len(self)
        number = int(self.sequence.orders[self.group].samples_at(np.array([turn], np.int64))[0])
        return self.sequence._place(self.group, turn, number)
