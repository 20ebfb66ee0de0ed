"""Where all capacity of a fleet went in a window, whole or by pool, team, user or job: integers, exactly conserved.

    capacity = idle + fragmented + draining + broken + (the leaves of all attempts)
    SG = allocated / capacity    RG = productive / allocated    PG = ideal / productive    MPG = SG x RG x PG

after "ML Productivity Goodput" (arXiv:2502.06982). Device time is in milli-ns: thousandths of a device times
nanoseconds. Money is kept as milli-ns times the price of a device-hour, so that it too sums without rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from drivetrain.core.errors import LedgerError
from drivetrain.core.leaves import FreeLeaf, Leaf
from drivetrain.core.units import NS_PER_S
from drivetrain.ledger.fleet.events import MILLI

LEAVES: tuple[str, ...] = (*(leaf.value for leaf in Leaf), *(leaf.value for leaf in FreeLeaf))
_FREE = frozenset(FreeLeaf)
MONEY_PER_MICRO = MILLI * 3600 * NS_PER_S
"""What milli-ns times the price of a device-hour must be divided by to give millionths of the currency."""


@dataclass(frozen=True, slots=True)
class FleetAccount:
    """Device time and money of a window, of all of a fleet or of one part of it.

    Attributes:
      start_ns, end_ns: the window, cut at the moment somebody asks.
      capacity: milli-ns that the chosen pools were there for; what a team, user or job is measured against too.
      leaves: milli-ns by leaf in stacking order, without empty ones; for all of a fleet they sum to `capacity`.
      money: milli-ns times price by leaf.
      ideal: milli-ns that the arithmetic of the kept steps takes at the devices' peak, as far as measured.
      measured: productive milli-ns of the attempts of which that is known.
      provisional: milli-ns of attempts that still run or of which more will be told, so that their leaves may change.
      queued: milli-ns that jobs waited for; never part of the others.
      queued_money: likewise, times the price of the cheapest pool that each could have.
      uncarried: milli-ns that attempts were given and no capacity carried: the node was not there, or somebody else
        was given the same part later. A fault of those who tell; part of nothing else.
      num_attempts: that held something in the window.
    """

    start_ns: int
    end_ns: int
    capacity: int = 0
    leaves: Mapping[str, int] = field(default_factory=dict)
    money: Mapping[str, int] = field(default_factory=dict)
    ideal: int = 0
    measured: int = 0
    provisional: int = 0
    queued: int = 0
    queued_money: int = 0
    uncarried: int = 0
    num_attempts: int = 0

    @property
    def allocated(self) -> int:
        """Milli-ns that attempts held."""
        return sum([milli_ns for leaf, milli_ns in self.leaves.items() if leaf not in _FREE])

    @property
    def free(self) -> int:
        """Milli-ns that nobody held."""
        return sum([milli_ns for leaf, milli_ns in self.leaves.items() if leaf in _FREE])

    @property
    def productive(self) -> int:
        """Milli-ns of steps that were kept."""
        return self.leaves.get(Leaf.PRODUCTIVE, 0)

    @property
    def sg(self) -> float:
        """Scheduling goodput: allocated over capacity; of a team, its share of capacity. 0 without capacity."""
        return self.allocated / self.capacity if self.capacity else 0.0

    @property
    def rg(self) -> float:
        """Runtime goodput: productive over allocated; 0 where nothing was allocated."""
        return self.productive / self.allocated if self.allocated else 0.0

    @property
    def pg(self) -> float | None:
        """Program goodput: ideal over productive, of what was measured; None where nothing was."""
        return self.ideal / self.measured if self.measured else None

    @property
    def mpg(self) -> float | None:
        """ML productivity goodput: ideal over capacity where all was measured, else what that would be at this `pg`."""
        return None if self.pg is None else self.sg * self.rg * self.pg

    @property
    def cost(self) -> int:
        """Of all leaves, in millionths of the currency, rounded once."""
        return micros(sum(self.money.values()))


def micros(money: int) -> int:
    """Millionths of the currency, to the nearest."""
    return nearest(money, MONEY_PER_MICRO)


def nearest(amount: int, unit: int) -> int:
    """In whole units, to the nearest; a half is rounded up."""
    return (2 * amount + unit) // (2 * unit)


@dataclass(frozen=True, slots=True)
class Statement:
    """A window's account, and what it is made of.

    Attributes:
      whole: of all that was chosen.
      by: what the rows are told apart by.
      rows: an account for each, by its names; they sum to the whole, to the last milli-ns. What nobody held has empty
        names, but its pool's; an attempt with devices of two pools counts as one in each of them.
    """

    whole: FleetAccount
    by: tuple[str, ...]
    rows: Mapping[tuple[str, ...], FleetAccount]

    def check(self) -> None:
        """Raises LedgerError: rows do not sum to the whole, or the leaves of all of a fleet not to its capacity."""
        for leaf in LEAVES:
            parts = sum(row.leaves.get(leaf, 0) for row in self.rows.values())
            if parts != self.whole.leaves.get(leaf, 0):
                raise LedgerError(f"rows sum to {parts} milli-ns of {leaf}, the whole has {self.whole.leaves}")
        leaves = sum(self.whole.leaves.values())
        if leaves != self.whole.capacity or min(self.whole.leaves.values(), default=0) < 0:
            raise LedgerError(
                f"leaves sum to {leaves} milli-ns, capacity is {self.whole.capacity}: {self.whole.leaves}"
            )


def stacked(amounts: Mapping[str, int]) -> dict[str, int]:
    """Amounts by leaf in stacking order, without empty ones."""
    return {leaf: amounts[leaf] for leaf in LEAVES if amounts.get(leaf)}
