"""What a fleet's account is made of: frozen values, one a line of history. Times are UTC ns on the controller's clock.

A device is 1000 milli, so that a share of one is a whole number. Prices are millionths of the currency for a whole
device and an hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from drivetrain.core.leaves import Leaf

MILLI = 1000
NodeState = Literal["up", "draining", "cordoned", "broken", "down", "removed"]
Count = Annotated[int, Meta(ge=0, le=1 << 53)]
Instant = Annotated[int, Meta(ge=0, le=1 << 62)]
Devices = Annotated[int, Meta(ge=0, le=4096)]


class NodeEvent(msgspec.Struct, frozen=True, tag_field="k", tag="node", omit_defaults=True, gc=False):
    """A node is there, in this state, from now on.

    Attributes:
      state: `up`; `draining`, which takes no new work; `cordoned` or `broken`, which takes none because it failed;
        `down`, which does not answer; `removed`, which is no longer capacity.
      devices: its accelerators, those in use and those that are broken among them.
      broken: indices of those that failed while the node itself works.
      gpu: which kind they are.
      cpu_milli, memory_bytes: for all that runs on it; None where nobody said, and then they bound nothing.
      others: how many devices are not ours for now, as somebody else's jobs have them: no capacity until they are back.
      is_asleep: whether these are not there at all until somebody is given some of them.
    """

    t: Instant
    node: str
    pool: str
    state: NodeState
    devices: Devices = 0
    gpu: str = ""
    cpu_milli: Count | None = None
    memory_bytes: Count | None = None
    broken: tuple[Devices, ...] = ()
    others: Devices = 0
    is_asleep: bool = False


class PriceEvent(msgspec.Struct, frozen=True, tag_field="k", tag="price", omit_defaults=True, gc=False):
    """From now on a device of this pool costs so much an hour."""

    t: Instant
    pool: str
    price: Count


class Alloc(msgspec.Struct, frozen=True, tag_field="k", tag="alloc", omit_defaults=True, gc=False):
    """An attempt has these parts of a node from now on, in place of what it had of that node before.

    Attributes:
      attempt: which try of the job, from 0; it ends those before.
      milli: (index of a device, milli of it).
      ranks: of the attempt, that run on this node; none named for all that no other node of the attempt names.
      price: where it is not the pool's.
    """

    t: Instant
    job: str
    attempt: Count
    node: str
    milli: tuple[tuple[Devices, Annotated[int, Meta(ge=0, le=MILLI)]], ...] = ()
    user: str = ""
    team: str = ""
    ranks: tuple[int, ...] = ()
    price: Count | None = None
    cpu_milli: Count = 0
    memory_bytes: Count = 0


class Free(msgspec.Struct, frozen=True, tag_field="k", tag="free", omit_defaults=True, gc=False):
    """An attempt has nothing of this node any more; of no node where none is named."""

    t: Instant
    job: str
    attempt: Count
    node: str = ""


class Wait(msgspec.Struct, frozen=True, tag_field="k", tag="wait", omit_defaults=True, gc=False):
    """A job waits for this from now on, until it leaves or one of its attempts is given something.

    Attributes:
      nodes: how many pieces there must be at once, at least; several may be on one node.
      milli: of each: below 1000 a share of one device, else whole ones.
      gpu, pool: which; empty for any.
    """

    t: Instant
    job: str
    milli: Count
    nodes: Annotated[int, Meta(ge=1, le=1 << 31)] = 1
    user: str = ""
    team: str = ""
    gpu: str = ""
    pool: str = ""
    cpu_milli: Count = 0
    memory_bytes: Count = 0


class Leave(msgspec.Struct, frozen=True, tag_field="k", tag="leave", omit_defaults=True, gc=False):
    """A job waits no longer."""

    t: Instant
    job: str


LETTERS: Mapping[Leaf, str] = {
    Leaf.PRODUCTIVE: "p",
    Leaf.LOST: "l",
    Leaf.SKIPPED: "k",
    Leaf.EVAL: "e",
    Leaf.SETUP: "s",
    Leaf.INIT: "i",
    Leaf.COMPILE: "c",
    Leaf.RESTORE: "r",
    Leaf.DATA_WAIT: "d",
    Leaf.COMM_WAIT: "m",
    Leaf.CHECKPOINT: "w",
    Leaf.TEARDOWN: "t",
    Leaf.HANG: "h",
    Leaf.DOWN: "x",
    Leaf.UNKNOWN: "u",
}
"""How leaves are written: a week of a large fleet has millions of them. For ever; other letters are read as unknown."""

GAP = "."
"""Time of which a rank's account says nothing."""


class RankTold(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one rank's account says.

    Attributes:
      devices: how many it held, which is its weight on its node.
      start_ns: of its first stretch, on the clock of its supervisor.
      spans_ns: how long each stretch is; one follows the other.
      leaves: a letter for each.
    """

    rank: int
    devices: Count
    start_ns: Instant = 0
    spans_ns: tuple[Count, ...] = ()
    leaves: str = ""


class Told(msgspec.Struct, frozen=True, tag_field="k", tag="told", omit_defaults=True, gc=False):
    """What the account of an attempt says as of now; it replaces what was told of the attempt before.

    Attributes:
      productive_ns: device time of all its ranks.
      ideal_ns: device time that the arithmetic of its kept steps takes at peak; None where nobody measured it.
      is_running: it will be told anew.
      ahead_ns: by how much the supervisor's clock is ahead of the controller's, as far as measured.
    """

    t: Instant
    job: str
    attempt: Count
    ranks: tuple[RankTold, ...] = ()
    productive_ns: Count = 0
    ideal_ns: Count | None = None
    is_running: bool = False
    ahead_ns: int = 0


FleetEvent = NodeEvent | PriceEvent | Alloc | Free | Wait | Leave | Told
