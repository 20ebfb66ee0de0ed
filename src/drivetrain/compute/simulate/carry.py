"""What is once a plan's decisions are begun: jobs that start have their places, those told to leave are leaving."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from drivetrain.compute.policy.state import held, started
from drivetrain.compute.policy.values import (
    Cordon,
    Decision,
    Node,
    Preempt,
    Refuse,
    Resize,
    Running,
    Share,
    Snapshot,
    Start,
    Stop,
)


def carry_out(snapshot: Snapshot, decisions: Iterable[Decision], now_s: float) -> Snapshot:
    """The snapshot after it; nobody has left yet, and no step was taken."""
    nodes = {node.name: node for node in snapshot.nodes}
    waiting = {job.job: job for job in snapshot.waiting}
    running = {job.job: job for job in snapshot.running}
    for decision in decisions:
        match decision:
            case Start(job, shares):
                running[job] = started(waiting.pop(job), shares, now_s)
                _take(nodes, shares)
            case Resize(job, shares):
                running[job], more = told_to_have(running[job], shares)
                _take(nodes, more)
            case Preempt(job) | Stop(job):
                running[job] = replace(running[job], leaving=True)
            case Refuse(job):
                del waiting[job]
            case Cordon(node):
                nodes[node] = replace(nodes[node], state="cordoned")
            case _:
                pass
    return replace(
        snapshot,
        nodes=tuple(nodes.values()),
        waiting=tuple(waiting.values()),
        running=tuple(running.values()),
    )


def told_to_have(job: Running, shares: tuple[Share, ...]) -> tuple[Running, tuple[Share, ...]]:
    """A job that was told its next places, and those that it did not have."""
    told = replace(job, next_shares=shares)
    return told, held(told)[len(job.shares) :]


def with_share(node: Node, share: Share, sign: int) -> Node:
    """A node that has got a share back, or has given it where the sign is -1."""
    milli_of: Mapping[int, int] = dict(share.milli)
    free = tuple(milli + sign * milli_of.get(device, 0) for device, milli in enumerate(node.free_milli))
    return replace(
        node,
        free_milli=free,
        free_cpus=node.free_cpus + sign * share.cpus,
        free_memory_bytes=node.free_memory_bytes + sign * share.memory_bytes,
    )


def _take(nodes: dict[str, Node], shares: Iterable[Share]) -> None:
    """From their nodes; those of nodes that are gone are left out."""
    for share in shares:
        if (node := nodes.get(share.node)) is not None:
            nodes[share.node] = with_share(node, share, -1)
