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
                move(nodes, shares, -1)
            case Resize(job, shares):
                running[job], more = told_to_have(running[job], shares)
                move(nodes, more, -1)
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


def move(nodes: dict[str, Node], shares: Iterable[Share], sign: int) -> None:
    """Give shares back to their nodes, or take them with -1; those of nodes that are gone are left out."""
    for share in shares:
        node = nodes.get(share.node)
        if node is not None:
            nodes[share.node] = with_less(node, share, -sign)


def with_less(node: Node, share: Share, sign: int = 1) -> Node:
    """A node without what a share has; with it again where the sign is -1."""
    taken: Mapping[int, int] = dict(share.milli)
    free = tuple(milli - sign * taken.get(device, 0) for device, milli in enumerate(node.free_milli))
    return replace(
        node,
        free_milli=free,
        free_cpus=node.free_cpus - sign * share.cpus,
        free_memory_bytes=node.free_memory_bytes - sign * share.memory_bytes,
    )
