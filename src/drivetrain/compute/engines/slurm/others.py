"""What Slurm has given of its nodes to jobs that are not ours: what is given in all, less what ours asked for.

More than was asked for is given where Slurm counts in whole cores of two threads, or has a default for memory; that is
no more free than what others have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.engines.slurm import commands
from drivetrain.compute.engines.slurm.amounts import MIB, Amount, amount_of
from drivetrain.compute.engines.slurm.queue import BatchJob
from drivetrain.compute.policy.values import CORES, MILLI

_NOTHING = Amount()
_FOR_NODES = ("Resources", "Priority", "Nodes required")
"""What Slurm gives as the reason begins so where a job waits for nodes, and not for a date or a person."""


def given_of(text: str) -> dict[str, Amount]:
    """What `commands.NODES` prints -> by node, what Slurm has given of it to anybody."""
    found = {}
    for line in text.splitlines():
        fields = dict(re.findall(r"(\w+)=(\S*)", line))
        if "NodeName" in fields:
            cores, memory_bytes = int(fields.get("CPUAlloc") or 0), int(fields.get("AllocMem") or 0) * MIB
            kind, _ = commands.devices_of(fields.get("Gres", ""))
            devices = cores if kind == CORES else commands.devices_of(fields.get("GresUsed", ""))[1]
            found[fields["NodeName"]] = Amount(devices * MILLI, cores, memory_bytes)
    return found


class Others:
    """What others have, by node, as far as two looks agree: jobs begin and end between the questions of one look.

    A job of ours that began since the last look is none of ours yet, and one that Slurm is still ending at the next
    look is none any more: what it has nobody here can give.

    Args:
      is_ours: whether an attempt is of this server. One that is stays so while Slurm has it.
    """

    def __init__(self, is_ours: Callable[[str], bool]) -> None:
        self._is_ours = is_ours
        self._ours: set[str] = set()
        self._ending: set[str] = set()
        self._before: Mapping[str, Amount] | None = None

    def see(self, nodes: str, jobs: Iterable[BatchJob]) -> dict[str, Amount]:
        """Of what is given what is not ours. Args: nodes: what `NODES` prints."""
        left, before = given_of(nodes), self._before
        for job in self._kept([job for job in jobs if job.nodes and job.attempt]):
            amount = amount_of(job.comment)
            for node in commands.names_of(job.nodes):
                left[node] = _NOTHING if amount is None else _less(left.get(node, _NOTHING), amount)
        self._before = left
        return left if before is None else {node: _least(left[node], before.get(node, _NOTHING)) for node in left}

    def _kept(self, held: Collection[BatchJob]) -> list[BatchJob]:
        """Jobs that are ours at both looks."""
        ours = {job.attempt for job in held if job.attempt in self._ours or self._is_ours(job.attempt)}
        ending = {job.attempt for job in held if job.state == "COMPLETING"}
        kept = ours if self._before is None else ours & self._ours
        kept -= ending & self._ending
        self._ours, self._ending = ours, ending
        return [job for job in held if job.attempt in kept]


def is_contested(jobs: Iterable[BatchJob], nodes: str, partition: str, is_ours: Callable[[str], bool]) -> bool:
    """Whether others' jobs wait for nodes of a partition, or of another that has some of them."""
    known = [set(found[1].split(",")) for found in re.finditer(r"\bPartitions=(\S+)", nodes)]
    asked = set().union(*(names for names in known if commands.is_of(",".join(names), partition)))
    waiting = [job for job in jobs if job.is_pending and job.reason.startswith(_FOR_NODES)]
    theirs = [job for job in waiting if not (job.attempt and is_ours(job.attempt))]
    return any(not asked.isdisjoint(job.partitions.split(",")) for job in theirs)


def hides_jobs(config: str) -> bool:
    """Whether a site shows nobody the jobs of others, who may wait unseen. Args: config: of Slurm, as it prints it."""
    found = re.search(r"^PrivateData\s*=\s*(\S+)", config, re.MULTILINE)
    return found is not None and bool({"jobs", "all"} & set(found[1].split(",")))


def without(nodes: Iterable[NodeRecord], others: Mapping[str, Amount], *, is_contested: bool) -> list[NodeRecord]:
    """Nodes that know what others have of them, and whether further ones wait for them."""
    return [
        replace(
            node,
            others_gpus=milli // MILLI,
            others_cpus=cpus,
            others_memory_bytes=memory_bytes,
            is_contested=is_contested and any((milli, cpus, memory_bytes)),
        )
        for node in nodes
        for milli, cpus, memory_bytes in [others.get(node.name, _NOTHING)]
    ]


def _less(one: Amount, other: Amount) -> Amount:
    milli, memory_bytes = max(0, one.milli - other.milli), max(0, one.memory_bytes - other.memory_bytes)
    return Amount(milli, max(0.0, one.cpus - other.cpus), memory_bytes)


def _least(one: Amount, other: Amount) -> Amount:
    return Amount(min(one.milli, other.milli), min(one.cpus, other.cpus), min(one.memory_bytes, other.memory_bytes))
