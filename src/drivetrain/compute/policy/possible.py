"""What pools can ever give: a request that none can is refused at once, with the nearest that one could.

What counts is what nodes have, not what is free, and also of nodes that are down: they may come back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from drivetrain.compute.policy.quota import Book
from drivetrain.compute.policy.reasons import gpus
from drivetrain.compute.policy.state import amount_milli
from drivetrain.compute.policy.values import MILLI, Node, Request, Waiting
from drivetrain.core.config import nearest
from drivetrain.core.units import bytes_text, count_text


@dataclass(frozen=True, slots=True)
class Shape:
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
            and request.gpu in ("", self.gpu)
        )


class Possible:
    """Nodes of each pool, by their shapes."""

    def __init__(self, nodes: Iterable[Node], pools: Iterable[str], book: Book) -> None:
        self._book = book
        self._shapes: dict[str, Counter[tuple[Shape, str, str]]] = {pool: Counter() for pool in pools}
        for node in nodes:
            shape = Shape(node.gpu, node.num_gpus, node.cpus, node.memory_bytes)
            self._shapes.setdefault(node.pool, Counter())[shape, node.rack, node.fabric] += 1
        self._known: dict[tuple[Request, str], tuple[str, ...]] = {}

    def pools(self, job: Waiting) -> tuple[str, ...]:
        """Pools that could give this were they empty."""
        key = job.request, job.team
        if key not in self._known:
            asked = [job.request.pool] if job.request.pool else sorted(self._shapes)
            self._known[key] = tuple(pool for pool in asked if pool in self._shapes and self._could(job, pool))
        return self._known[key]

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
        kinds = sorted({shape.gpu for pool in asked for shape, _, _ in self._shapes[pool] if shape.num_gpus})
        where = f"pool {request.pool}" if request.pool else "any pool"
        if request.gpu and request.gpu not in kinds:
            return f"no node of {where} has a GPU of kind {request.gpu!r}", nearest(request.gpu, kinds) or ", ".join(
                kinds
            )
        best = max((self._nearest(job, pool) for pool in asked), default=None, key=lambda found: found[0])
        if best is None or not best[0]:
            return f"no node of {where} can take {_member(request)}", self._largest(asked, request)
        return best[1], best[2]

    def _nearest(self, job: Waiting, pool: str) -> tuple[int, str, str]:
        """How many members this pool could give, why not all, and the nearest request in words."""
        request = job.request
        nodes = self._most_nodes(request, pool)
        most = self._book.most(job.team, pool)
        by_quota = nodes if most is None or not request.gpu_milli else min(nodes, most // request.gpu_milli)
        num = min(nodes, by_quota)
        text = f"{count_text(num, 'node')} with {_member(request)} in pool {pool}"
        if by_quota < min(nodes, request.min_nodes):
            quota = f"team {job.team} may never use more than {gpus(most or 0)} there"
            return num, f"needs {gpus(amount_milli(request))} GPUs in pool {pool}; {quota}", text if num else ""
        near = f" of one {request.topology}" if request.topology_required and request.topology != "any" else ""
        return num, f"pool {pool} has {count_text(nodes, 'node')}{near} that can take {_member(request)}", text

    def _could(self, job: Waiting, pool: str) -> bool:
        most = self._book.most(job.team, pool)
        if most is not None and amount_milli(job.request) > most:
            return False
        return self._most_nodes(job.request, pool) >= job.request.min_nodes

    def _most_nodes(self, request: Request, pool: str) -> int:
        """Members that the pool could give, of one group where that is required."""
        if request.topology == "node" and request.topology_required:
            return max((_copies(shape, request) for shape, _, _ in self._shapes[pool]), default=0)
        by_group: Counter[str] = Counter()
        for (shape, rack, fabric), count in self._shapes[pool].items():
            group = {"rack": rack, "fabric": fabric}.get(request.topology, "")
            if shape.has(request):
                by_group[group if request.topology_required else ""] += count
        if request.topology_required and request.topology in ("rack", "fabric"):
            del by_group[""]
        return max(by_group.values(), default=0)

    def _largest(self, pools: list[str], request: Request) -> str:
        """The biggest node there is, in words."""
        shapes = {shape for pool in pools for shape, _, _ in self._shapes[pool] if request.gpu in ("", shape.gpu)}
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
    if request.gpu_milli:
        parts.append(
            f"{gpus(request.gpu_milli)} {request.gpu or 'GPU'}"
            + ("s" if request.gpu_milli > MILLI and not request.gpu else "")
        )
    if request.cpus:
        parts.append(count_text(round(request.cpus), "core"))
    if request.memory_bytes:
        parts.append(f"{bytes_text(request.memory_bytes)} of memory")
    return ", ".join(parts) or "a process"
