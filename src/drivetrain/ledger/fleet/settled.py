"""An attempt of which nothing can change any more, summed up over all its time: what most of a long window is."""

from __future__ import annotations

import msgspec

from drivetrain.core.leaves import Leaf


class Held(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an attempt held at one price. Attributes: price: of a device-hour; leaves: milli-ns."""

    price: int
    leaves: dict[Leaf, int]


class SettledPool(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an attempt held of one pool; `ideal` and `measured` as in an account."""

    pool: str
    held: tuple[Held, ...]
    ideal: int
    measured: int


class Settled(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An attempt that is over.

    Attributes:
      is_provisional: whether more should have been told of it.
      uncarried: milli-ns by pool.
    """

    start_ns: int
    end_ns: int
    job: str
    number: int
    user: str
    team: str
    is_provisional: bool
    pools: tuple[SettledPool, ...]
    uncarried: dict[str, int]
