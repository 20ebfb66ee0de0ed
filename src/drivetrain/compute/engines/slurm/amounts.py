"""How much of each of its nodes a job asks Slurm for, which its comment says, too."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from drivetrain.compute.engines.protocol import StartRequest
from drivetrain.compute.policy.values import MILLI

MIB = 1 << 20
"""Slurm's unit of memory."""
_WORDS = re.compile(r" milli=([0-9]{1,9}) cpus=([0-9]{1,9}(?:\.[0-9]{1,6})?) memory=([0-9]{1,18})\b")


class Amount(NamedTuple):
    """So much of a node: of its devices in thousandths, of its cores, of its memory."""

    milli: int = 0
    cpus: float = 0.0
    memory_bytes: int = 0

    @property
    def words(self) -> str:
        """For a comment."""
        return f" milli={self.milli} cpus={self.cpus:.3f} memory={self.memory_bytes}"

    @property
    def num_cores(self) -> int:
        """Whole ones."""
        return math.ceil(self.cpus)

    @property
    def memory_mib(self) -> int:
        """Whole ones."""
        return -(-self.memory_bytes // MIB)


def asked_of(request: StartRequest) -> Amount:
    """What each member has of its node, the most where they differ; cores are devices where nothing else is."""
    asked = []
    for share in request.shares:
        milli = sum(part for _, part in share.milli)
        asked.append(Amount(milli, share.cpus + (0 if request.takes_gpus else milli / MILLI), share.memory_bytes))
    milli, cpus, memory_bytes = (max(column) for column in zip(*asked, strict=True))
    return Amount(int(milli), cpus, int(memory_bytes))


def amount_of(comment: str) -> Amount | None:
    """What a comment says; None where it is one of an earlier version."""
    found = _WORDS.search(comment)
    return Amount(int(found[1]), float(found[2]), int(found[3])) if found else None
