"""Machines as they are known: what they have, and whether they may be given work."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from drivetrain.compute.controller.states import AttemptRecord
from drivetrain.compute.policy.values import MILLI, Node


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRecord:
    """A machine of a pool.

    Attributes:
      gpu: which kind of accelerator; `cpu` where a core counts as one.
      num_gpus: how many.
      state: `up`, `draining`, `cordoned` or `down`; evidence: why, where it is not up.
      is_ours: whether the state was set here, by an operator or a policy, and not by its engine.
      back_as, back_why: state and evidence that were set here and are again once its engine has it up; empty for `up`.
      others_gpus, others_cpus, others_memory_bytes: what its engine has given to jobs that are not ours.
      is_contested: whether further ones wait for such nodes in a line of the engine's own.
      is_asleep: whether it is powered down until somebody is placed there; no capacity, and free, meanwhile.
    """

    name: str
    pool: str
    gpu: str = ""
    num_gpus: int = 0
    cpus: float = 0
    memory_bytes: int = 0
    rack: str = ""
    fabric: str = ""
    state: str = "up"
    evidence: str = ""
    is_ours: bool = False
    back_as: str = ""
    back_why: str = ""
    others_gpus: int = 0
    others_cpus: float = 0
    others_memory_bytes: int = 0
    is_contested: bool = False
    is_asleep: bool = False

    @property
    def has_others(self) -> bool:
        """Whether jobs that are not ours have anything of it."""
        return bool(self.others_gpus or self.others_cpus or self.others_memory_bytes)

    @property
    def is_cordoned(self) -> bool:
        """Whether a policy gives it no work, now or when it is back."""
        return "cordoned" in (self.state, self.back_as)

    def seen(self, now: NodeRecord) -> NodeRecord:
        """As its engine sees it now, and what was set here stays: that it came back is no word of who set it."""
        is_ours = self.is_ours and self.state != "down"
        state, why = (self.state, self.evidence) if is_ours else (self.back_as, self.back_why)
        if not state:
            return now
        if now.state == "up":
            return dataclasses.replace(now, state=state, evidence=why, is_ours=True)
        return dataclasses.replace(now, back_as=state, back_why=why)

    def told(self, state: str, why: str) -> NodeRecord:
        """As somebody here wants it: at once, or where its engine does not have it up, once that has."""
        kept, why = ("", "") if state == "up" else (state, why)
        if self.state != "up" and not self.is_ours:
            return dataclasses.replace(self, back_as=kept, back_why=why)
        return dataclasses.replace(self, state=state, evidence=why, is_ours=bool(kept), back_as="", back_why="")


def with_what_is_free(records: Collection[NodeRecord], attempts: Iterable[AttemptRecord]) -> tuple[Node, ...]:
    """Nodes as a policy sees them: what living attempts have is not free, nor what others do.

    Where further ones wait for that in the engine's own line it is free and awaited: who never stands there would never
    have it. So is all of a node that is asleep, which wakes for nobody else.
    """
    others = [record for record in records if record.has_others and not record.is_contested]
    nodes = {record.name: _whole(record) for record in records}
    for attempt in attempts:
        for share in attempt.shares:
            node = nodes.get(share.node)
            if node is None:
                continue
            free = list(node.free_milli)
            for device, milli in share.milli:
                if device < len(free):
                    free[device] -= milli
            nodes[share.node] = replace(
                node,
                free_milli=tuple(free),
                free_cpus=node.free_cpus - share.cpus,
                free_memory_bytes=node.free_memory_bytes - share.memory_bytes,
            )
    for record in others:
        nodes[record.name] = _without(nodes[record.name], record)
    return tuple(nodes[name] for name in sorted(nodes))


def _without(node: Node, record: NodeRecord) -> Node:
    """What others have is off it: of devices, the last ones that are wholly free, as nobody here numbers theirs."""
    whole = [device for device, milli in enumerate(node.free_milli) if milli == MILLI]
    theirs = frozenset(whole[-record.others_gpus :] if record.others_gpus else ())
    return replace(
        node,
        free_milli=tuple(0 if device in theirs else milli for device, milli in enumerate(node.free_milli)),
        free_cpus=max(0.0, node.free_cpus - record.others_cpus),
        free_memory_bytes=max(0, node.free_memory_bytes - record.others_memory_bytes),
    )


def _whole(record: NodeRecord) -> Node:
    awaited = (0, 0.0, 0)
    if record.is_asleep:
        awaited = record.num_gpus, record.cpus, record.memory_bytes
    elif record.is_contested:
        awaited = record.others_gpus, record.others_cpus, record.others_memory_bytes
    return Node(
        name=record.name,
        pool=record.pool,
        free_milli=(MILLI,) * record.num_gpus,
        gpu=record.gpu,
        cpus=record.cpus,
        free_cpus=record.cpus,
        memory_bytes=record.memory_bytes,
        free_memory_bytes=record.memory_bytes,
        rack=record.rack,
        fabric=record.fabric,
        state=record.state,
        awaited_gpus=awaited[0],
        awaited_cpus=awaited[1],
        awaited_memory_bytes=awaited[2],
    )
