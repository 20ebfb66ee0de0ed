"""What the fleet's ledger is told of what history keeps: nodes, prices, who waits, and who has what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from drivetrain.compute.controller.changes import Settings
from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.states import AttemptRecord
from drivetrain.ledger.fleet.events import MILLI, Alloc, FleetEvent, Free, Leave, NodeEvent, PriceEvent, Wait

_Kept = TypeVar("_Kept")


def fleet_events(
    at_ns: int, kind: str, subject: str, data: Any, owner: Callable[[str], tuple[str, str]]
) -> list[FleetEvent]:
    """Of one event. Args: data: as it was noted, or as it was written down; owner: user and team of a job."""
    if kind == "controller begins":  # which it does whenever settings change
        return [PriceEvent(at_ns, pool.name, pool.price_per_gpu_h) for pool in _kept(data, Settings).pools]
    if kind == "node":
        return [_node(at_ns, _kept(data, NodeRecord))]
    if kind == "job waiting" and not data["is_array"]:
        wanted = {name: data[name] for name in ("user", "team", "nodes", "gpu", "pool")}
        cpu_milli, memory_bytes = round(MILLI * data.get("cpus", 0)), data.get("memory_bytes", 0)  # not in older ones
        return [Wait(at_ns, subject, data["milli"], cpu_milli=cpu_milli, memory_bytes=memory_bytes, **wanted)]
    if kind == "attempt placed":
        attempt = _kept(data, AttemptRecord)
        user, team = owner(attempt.job)
        return [
            Alloc(
                at_ns,
                attempt.job,
                attempt.number,
                share.node,
                share.milli,
                user=user,
                team=team,
                cpu_milli=round(MILLI * share.cpus),
                memory_bytes=share.memory_bytes,
            )
            for share in attempt.shares
        ]
    if kind == "attempt ended":
        attempt = _kept(data, AttemptRecord)
        return [Free(at_ns, attempt.job, attempt.number)]
    if kind in ("job stopped", "job refused"):
        return [Leave(at_ns, subject)]
    return []


def _node(at_ns: int, node: NodeRecord) -> NodeEvent:
    devices, state = (node.num_gpus, node.gpu), node.state
    if node.is_asleep:
        return NodeEvent(at_ns, node.name, node.pool, state, *devices, others=node.num_gpus, is_asleep=True)  # type: ignore[arg-type]
    cpu_milli = max(0, round(MILLI * (node.cpus - node.others_cpus)))
    memory_bytes = max(0, node.memory_bytes - node.others_memory_bytes)
    return NodeEvent(at_ns, node.name, node.pool, state, *devices, cpu_milli, memory_bytes, others=node.others_gpus)  # type: ignore[arg-type]


def _kept(data: Any, kind: type[_Kept]) -> _Kept:
    return data if isinstance(data, kind) else msgspec.convert(data, kind, str_keys=True)
