"""What Slurm has given of its nodes to jobs that are not ours: what is given in all, less what ours asked for.

More than was asked for is given where Slurm counts in whole cores of two threads, or has a default for memory; that is
no more free than what others have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.engines.slurm import commands
from drivetrain.compute.engines.slurm.amounts import Amount, amount_of
from drivetrain.compute.policy.values import CORES, MILLI

_MIB = 1 << 20
_NOTHING = Amount()


def given_of(text: str) -> dict[str, Amount]:
    """What `commands.NODES` prints -> by node, what Slurm has given of it to anybody."""
    found = {}
    for line in text.splitlines():
        fields = dict(re.findall(r"(\w+)=(\S*)", line))
        if "NodeName" in fields:
            cores, memory_bytes = int(fields.get("CPUAlloc") or 0), int(fields.get("AllocMem") or 0) * _MIB
            kind, _ = commands.devices_of(fields.get("Gres", ""))
            devices = cores if kind == CORES else commands.devices_of(fields.get("GresUsed", ""))[1]
            found[fields["NodeName"]] = Amount(devices * MILLI, cores, memory_bytes)
    return found


class Others:
    """What others have, by node: the less of two looks, as a job of ours may end between two questions of one look.

    A job of ours that Slurm is still ending at the next look has what nobody here can give, as others' jobs do.

    Args:
      is_ours: whether an attempt is of this server. One that is stays so while Slurm has it.
    """

    def __init__(self, is_ours: Callable[[str], bool]) -> None:
        self._is_ours = is_ours
        self._ours: set[str] = set()
        self._ending: set[str] = set()
        self._before: Mapping[str, Amount] | None = None

    def see(self, nodes: str, jobs: str) -> dict[str, Amount]:
        """Of what is given what is not ours. Args: nodes, jobs: what `NODES` and `JOBS` print."""
        held = _held(jobs)
        self._ours = {attempt for attempt, *_ in held if attempt in self._ours or self._is_ours(attempt)}
        stuck, self._ending = self._ending, {attempt for attempt, state, *_ in held if state == "COMPLETING"}
        left = given_of(nodes)
        for attempt, _, node, amount in held:
            if attempt in self._ours and not (attempt in stuck and attempt in self._ending):
                left[node] = _of_each(left.get(node, _NOTHING), amount, lambda all_, own: max(0, all_ - own))
        before = left if self._before is None else self._before
        self._before = left
        return {node: _of_each(amount, before.get(node, _NOTHING), min) for node, amount in left.items()}

    def wait(self, jobs: str, partition: str) -> bool:
        """Whether others' jobs wait for nodes of a partition, of any where none is named. Args: jobs: as of `see`."""
        for line in jobs.splitlines():
            _, comment, state, _, why, asked = [*line.split("|"), "", "", "", "", ""][:6]
            is_for_nodes = state == "PENDING" and why in ("Resources", "Priority")
            if is_for_nodes and commands.is_of(asked, partition):
                attempt = commands.attempt_of(comment)
                if not (attempt and self._is_ours(attempt)):
                    return True
        return False


def _held(jobs: str) -> list[tuple[str, str, str, Amount]]:
    """Attempt, state, node and amount of what our kind of jobs has, those that are just ending among them."""
    found = []
    for line in jobs.splitlines():
        _, comment, state, nodes = [*line.split("|"), "", "", ""][:4]
        if nodes and (attempt := commands.attempt_of(comment)):
            found += [(attempt, state, node, amount_of(comment)) for node in commands.names_of(nodes)]
    return found


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


def _of_each(one: Amount, other: Amount, choose: Callable[[float, float], float]) -> Amount:
    milli, cpus, memory_bytes = (choose(a, b) for a, b in zip(one, other, strict=True))
    return Amount(int(milli), cpus, int(memory_bytes))
