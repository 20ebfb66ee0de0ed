"""What Slurm did to a job by itself, and who of it is over, read from what it prints. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from drivetrain.compute.controller.states import Why
from drivetrain.compute.engines.protocol import Ending
from drivetrain.compute.engines.slurm.queue import attempt_of
from drivetrain.core.errors import StoreError

QUESTION = ("squeue", "--noheader", "--states=all", "--format=%i|%T|%r|%B|%N|%k")
"""Of jobs that are over, Slurm knows for as long as its MinJobAge."""
_NUM_FIELDS = 5
"""Before the comment."""
_OVER = re.compile(r"srun: error: [^ :]+: tasks? ([0-9,-]+): ")
_ENDINGS = {
    "CANCELLED": Ending(Why.STOPPED, "cancelled in Slurm"),
    "PREEMPTED": Ending(Why.PREEMPTED, "preempted by Slurm"),
    "TIMEOUT": Ending(Why.OVER_TIME, "ended by Slurm at its limit of time"),
    "DEADLINE": Ending(Why.OVER_TIME, "ended by Slurm at its deadline"),
}


@dataclass(frozen=True, slots=True)
class SaidOfJob:
    """What Slurm says of a job. Attributes: nodes: those that it still has, as Slurm writes them; host: its first."""

    number: int
    state: str
    reason: str
    host: str
    nodes: str


def said_of(text: str, attempt: str) -> SaidOfJob | None:
    """The attempt's job in the answer to `QUESTION`, the newest of them; None where Slurm has forgotten it."""
    found = []
    for line in text.splitlines():
        *fields, comment = line.split("|", _NUM_FIELDS)
        if attempt_of(comment) == attempt and fields[0].isdecimal():
            found.append(SaidOfJob(int(fields[0]), *fields[1:]))
    return max(found, key=lambda said: said.number, default=None)


def ending_of(said: SaidOfJob, gone: Mapping[str, str]) -> Ending | None:
    """How Slurm ended a job by itself; None where it did not.

    Args:
      gone: of its nodes, those that are down or that the job has no more, and why. Whatever became of the job, that
        counts first: without its first node Slurm calls it failed.
    Raises: StoreError: Slurm is still ending it, and says only then why.
    """
    if said.state in ("NODE_FAIL", "BOOT_FAIL") and not gone:
        gone = {said.host: ""}
    if gone:
        which = f"node {next(iter(gone))} was" if len(gone) == 1 else f"nodes {', '.join(sorted(gone))} were"
        reasons = ", ".join(sorted({reason for reason in gone.values() if reason}))
        return Ending(Why.LOST, f"{which} taken down by Slurm{f' ({reasons})' if reasons else ''}", tuple(gone))
    if said.state == "COMPLETING":
        raise StoreError(f"Slurm is still ending job {said.number}")
    return _ENDINGS.get(said.state)


def over_by_srun(text: str) -> frozenset[int]:
    """Of what `srun` says, the tasks that did not end well: by a signal, or with an error.

    That a node failed is not the end of its task, which Slurm may find again.
    """
    found: set[int] = set()
    for numbers in _OVER.findall(text):
        for part in numbers.split(","):
            first, _, last = part.partition("-")
            found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)
