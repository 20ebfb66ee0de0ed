"""What pools can ever give: a request that none can is refused at once, with the nearest that one could.

What counts is what nodes have, not what is free, and also of nodes that are down: they may come back. Quotas do not
count, since they may change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from drivetrain.compute.policy.reasons import devices, gpus
from drivetrain.compute.policy.values import CORES, MILLI, Node, Request, Waiting
from drivetrain.core.config import nearest
from drivetrain.core.units import bytes_text, count_text


class Shape(NamedTuple):
    """What a node has in all."""

    gpu: str
    num_gpus: int
    cpus: float
    memory_bytes: int

    def has(self, request: Request) -> bool:
        """Whether one member fits on such a node when it is empty."""
        return (
            self.num_gpus * MILLI >= request.gpu_milli
            and self.cpus >= request.cpus
            and self.memory_bytes >= request.memory_bytes
            and (request.gpu == self.gpu or (not request.gpu and (not request.gpu_milli or self.gpu != CORES)))
        )


class Possible:
    """Nodes of each pool, by their shapes."""

    def __init__(self, nodes: Iterable[Node], pools: Iterable[str]) -> None:
        self._shapes: dict[str, Counter[Shape]] = {pool: Counter() for pool in pools}
        self._groups: dict[tuple[str, str], dict[Shape, Counter[str]]] = {}
        found = Counter([_kind_of(node) for node in nodes])
        for (pool, shape, rack, fabric), count in found.items():
            self._shapes.setdefault(pool, Counter())[shape] += count
            for topology, group in (("rack", rack), ("fabric", fabric)):
                if group:
                    of_pool = self._groups.setdefault((pool, topology), {})
                    of_pool.setdefault(shape, Counter())[group] += count
        self._all = sorted(self._shapes)
        self._known: dict[Request, tuple[str, ...]] = {}

    def pools(self, job: Waiting) -> tuple[str, ...]:
        """Pools that could give this were they empty."""
        request = job.request
        if request not in self._known:
            asked = self._asked(request)
            self._known[request] = tuple(p for p in asked if self._most_nodes(request, p) >= request.min_nodes)
        return self._known[request]

    def _asked(self, request: Request) -> list[str]:
        if not request.pool:
            return self._all
        return [request.pool] if request.pool in self._shapes else []

    def is_empty(self, job: Waiting) -> bool:
        """Whether no node is known yet where the job asks for."""
        asked = [job.request.pool] if job.request.pool else list(self._shapes)
        return all(pool in self._shapes and not self._shapes[pool] for pool in asked)

    def refusal(self, job: Waiting) -> tuple[str, str]:
        """Why no pool can, and the nearest request that one could; the latter empty where there is none."""
        request = job.request
        if request.pool and request.pool not in self._shapes:
            guess = nearest(request.pool, list(self._shapes)) or ", ".join(sorted(self._shapes))
            return f"there is no pool {request.pool!r}", guess
        asked = [request.pool] if request.pool else sorted(self._shapes)
        kinds = sorted({shape.gpu for pool in asked for shape in self._shapes[pool] if shape.num_gpus})
        where = f"pool {request.pool}" if request.pool else "any pool"
        if request.gpu_milli and not request.gpu and kinds == [CORES]:
            near = self._largest(asked, replace(request, gpu=CORES, cpus=0))
            return f"no node of {where} has a GPU", f"{near} (cores are asked for with --cpus)"
        if request.gpu and request.gpu not in kinds:
            return f"no node of {where} has a GPU of kind {request.gpu!r}", nearest(request.gpu, kinds) or ", ".join(
                kinds
            )
        best = max((self._nearest(request, pool) for pool in asked), default=None, key=lambda found: found[0])
        if best is None or not best[0]:
            return f"no node of {where} can take {_member(request)}", self._largest(asked, request)
        return best[1], best[2]

    def _nearest(self, request: Request, pool: str) -> tuple[int, str, str]:
        """How many members the nodes of a pool could give, why not all, and the nearest request in words."""
        nodes = self._most_nodes(request, pool)
        near = f" of one {request.topology}" if request.topology_required and request.topology != "any" else ""
        why = f"pool {pool} has {count_text(nodes, 'node')}{near} that can take {_member(request)}"
        return nodes, why, f"{count_text(nodes, 'node')} with {_member(request)} in pool {pool}"

    def _most_nodes(self, request: Request, pool: str) -> int:
        """Members that the pool could give, of one group where that is required."""
        if request.topology == "node" and request.topology_required:
            return max((_copies(shape, request) for shape in self._shapes[pool]), default=0)
        if request.topology_required and request.topology in ("rack", "fabric"):
            by_group: Counter[str] = Counter()
            for shape, groups in self._groups.get((pool, request.topology), {}).items():
                if shape.has(request):
                    by_group.update(groups)
            return max(by_group.values(), default=0)
        return sum(count for shape, count in self._shapes[pool].items() if shape.has(request))

    def _largest(self, pools: list[str], request: Request) -> str:
        """The biggest node there is, in words."""
        unfit = CORES if request.gpu_milli and not request.gpu else ""
        shapes = {shape for pool in pools for shape in self._shapes[pool] if request.gpu in ("", shape.gpu)}
        shapes = {shape for shape in shapes if not unfit or shape.gpu != unfit}
        if not shapes:
            return ""
        found = max(shapes, key=lambda shape: (shape.num_gpus, shape.cpus, shape.memory_bytes, shape.gpu))
        kept = replace(
            request,
            gpu_milli=min(request.gpu_milli, found.num_gpus * MILLI),
            cpus=min(request.cpus, found.cpus),
            memory_bytes=min(request.memory_bytes, found.memory_bytes),
        )
        return f"a node with {_member(kept)}"


def _kind_of(node: Node) -> tuple[str, Shape, str, str]:
    return node.pool, Shape(node.gpu, len(node.free_milli), node.cpus, node.memory_bytes), node.rack, node.fabric


def _copies(shape: Shape, request: Request) -> int:
    if not shape.has(request):
        return 0
    limits = [shape.cpus / request.cpus] if request.cpus else []
    limits += [shape.memory_bytes / request.memory_bytes] if request.memory_bytes else []
    if request.gpu_milli >= MILLI:
        limits.append(shape.num_gpus * MILLI / request.gpu_milli)
    elif request.gpu_milli:
        limits.append(shape.num_gpus * (MILLI // request.gpu_milli))
    return int(min(limits, default=1 << 30))


def _member(request: Request) -> str:
    """What one node must give, in words."""
    parts = []
    if request.gpu_milli and request.gpu == CORES:
        parts.append(devices(request.gpu_milli, CORES))
    elif request.gpu_milli:
        parts.append(
            f"{gpus(request.gpu_milli)} {request.gpu or 'GPU'}"
            + ("s" if request.gpu_milli > MILLI and not request.gpu else "")
        )
    if request.cpus:
        parts.append(count_text(round(request.cpus), "core"))
    if request.memory_bytes:
        parts.append(f"{bytes_text(request.memory_bytes)} of memory")
    return ", ".join(parts) or "a process"
