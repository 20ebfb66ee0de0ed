"""The states a device can be in: each nanosecond of allocated time belongs to exactly one of them."""

from __future__ import annotations

from enum import StrEnum


class Leaf(StrEnum):
    """One state of one device, in the order in which charts stack them.

    A rank moves through them like this, `unknown` standing for any stretch nobody has explained:

        setup -> init -> [restore, compile] -> (data_wait -> productive)* -> teardown
                                                 |            \\-> lost (redone later), skipped (thrown away)
                                                 |-> checkpoint, eval, comm_wait (running, not progressing)
                                                 \\-> hang, down (broken), then setup or init of the next attempt
    """

    EVAL = "eval"
    PRODUCTIVE = "productive"
    SETUP = "setup"
    INIT = "init"
    RESTORE = "restore"
    TEARDOWN = "teardown"
    CHECKPOINT = "checkpoint"
    COMPILE = "compile"
    DATA_WAIT = "data_wait"
    COMM_WAIT = "comm_wait"
    HANG = "hang"
    LOST = "lost"
    SKIPPED = "skipped"
    DOWN = "down"
    UNKNOWN = "unknown"


PHASES = (
    Leaf.SETUP,
    Leaf.INIT,
    Leaf.COMPILE,
    Leaf.RESTORE,
    Leaf.DATA_WAIT,
    Leaf.COMM_WAIT,
    Leaf.CHECKPOINT,
    Leaf.EVAL,
    Leaf.TEARDOWN,
)
"""What a program may name as a phase; the other leaves are worked out by the account."""


class FreeLeaf(StrEnum):
    """One state of capacity that no attempt holds, in the order in which charts stack them on the allocated."""

    DRAINING = "draining"
    BROKEN = "broken"
    FRAGMENTED = "fragmented"
    IDLE = "idle"
