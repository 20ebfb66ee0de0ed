"""One node over time: who holds how much of it, decided anew at each change."""

from __future__ import annotations

import msgspec

from drivetrain.ledger.fleet.demand import UNBOUNDED, Room
from drivetrain.ledger.fleet.events import MILLI, Alloc, NodeEvent


class Holding(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """So many milli of a node for so long. `price`: of a device and an hour; `is_down`: the node did not answer."""

    start_ns: int
    end_ns: int
    milli: int
    pool: str
    price: int
    is_down: bool


class Shortage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """So many milli that an attempt was given and no capacity carried. `pool`: empty where there was no node."""

    start_ns: int
    end_ns: int
    milli: int
    pool: str


class ClaimState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A claim as it is kept. Attributes: since_ns, terms, missing: what it has held, and lacked, since then."""

    alloc: Alloc
    holdings: tuple[Holding, ...]
    shortages: tuple[Shortage, ...]
    is_open: bool
    since_ns: int
    terms: tuple[int, str, int, bool]
    missing: int


class Claim:
    """What an attempt was given of one node, and what of it was there to be held."""

    __slots__ = ("_missing", "_since_ns", "_terms", "alloc", "holdings", "is_open", "milli", "shortages")

    def __init__(self, alloc: Alloc) -> None:
        self.alloc = alloc
        self.milli = sum(milli for _, milli in alloc.milli)
        self.holdings: list[Holding] = []
        self.shortages: list[Shortage] = []
        self.is_open = True
        self._since_ns = alloc.t
        self._terms = (0, "", 0, False)
        self._missing = self.milli

    @classmethod
    def restored(cls, state: ClaimState) -> Claim:
        """As it was."""
        claim = cls(state.alloc)
        claim.holdings, claim.shortages = list(state.holdings), list(state.shortages)
        claim.is_open, claim._since_ns = state.is_open, state.since_ns
        claim._terms, claim._missing = state.terms, state.missing
        return claim

    @property
    def state(self) -> ClaimState:
        """As it is now."""
        held = tuple(self.holdings), tuple(self.shortages)
        return ClaimState(self.alloc, *held, self.is_open, self._since_ns, self._terms, self._missing)

    @property
    def held(self) -> int:
        """Milli that it holds now."""
        return self._terms[0]

    def hold(self, at_ns: int, milli: int, pool: str, price: int, *, is_down: bool) -> None:
        """From now on it holds so much, on these terms."""
        if self.alloc.price is not None:
            price = self.alloc.price
        terms, missing = (milli, pool, price, is_down), self.milli - milli
        if terms == self._terms and missing == self._missing:
            return
        self._settle(at_ns)
        self._since_ns, self._terms, self._missing = at_ns, terms, missing

    def close(self, at_ns: int) -> None:
        """It holds nothing from now on."""
        self.until(at_ns)
        self._terms, self._missing, self.is_open = (0, "", 0, False), 0, False

    def until(self, at_ns: int) -> None:
        """Write down what it held up to now; it stays open."""
        self._settle(at_ns)
        self._since_ns = max(at_ns, self._since_ns)

    def _settle(self, at_ns: int) -> None:
        if at_ns <= self._since_ns:
            return
        if self._terms[0]:
            self.holdings.append(Holding(self._since_ns, at_ns, *self._terms))
        if self._missing:
            self.shortages.append(Shortage(self._since_ns, at_ns, self._missing, self._terms[1]))


class Node:
    """A machine: its state, and the claims on it, oldest first; what is free, what is not held but broken, and what
    others have, milli.

    Where claims are for more than is there the newer ones go first: an engine gives away what is free, so that a later
    grant says that the earlier one is over, or that its node came back as another.
    """

    def __init__(self, event: NodeEvent) -> None:
        self.event = event
        self.claims: list[Claim] = []
        self.free: list[int] = []
        self.broken = 0
        self.others = 0

    @property
    def num_devices(self) -> int:
        """As capacity."""
        return 0 if self.event.state == "removed" else self.event.devices

    @property
    def capacity(self) -> int:
        """Milli, as of when it was divided."""
        return self.num_devices * MILLI - self.others

    def divide(self, at_ns: int, price: int) -> None:
        """Give each claim what is there for it from now on."""
        event, free = self.event, [MILLI] * self.num_devices
        is_down, pool = event.state == "down", "" if event.state == "removed" else event.pool
        for claim in reversed(self.claims):
            held = 0
            for device, milli in claim.alloc.milli:
                if device < len(free):
                    part = min(milli, free[device])
                    free[device] -= part
                    held += part
            claim.hold(at_ns, held, pool, price, is_down=is_down)
        self.broken = 0
        for device in event.broken:
            if device < len(free):
                self.broken += free[device]
                free[device] = 0
        self.free, self.others = free, 0
        if event.others:
            whole = [device for device, milli in enumerate(free) if milli == MILLI]
            for device in whole[-event.others :]:
                free[device] = 0
                self.others += MILLI

    def room(self) -> Room:
        """What is free of it for those who wait."""
        event, cpu_milli, memory_bytes = self.event, UNBOUNDED, UNBOUNDED
        if event.cpu_milli is not None:
            cpu_milli = max(0, event.cpu_milli - sum([claim.alloc.cpu_milli for claim in self.claims]))
        if event.memory_bytes is not None:
            memory_bytes = max(0, event.memory_bytes - sum([claim.alloc.memory_bytes for claim in self.claims]))
        free = tuple(sorted([milli for milli in self.free if milli], reverse=True))
        return Room(event.gpu, free, cpu_milli, memory_bytes)
