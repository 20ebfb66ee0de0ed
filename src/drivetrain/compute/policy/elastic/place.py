"""Sizes become placements: who keeps a size keeps its GPUs, whole nodes stay whole, few others are moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from drivetrain.compute.policy.elastic.values import Cluster, ElasticJob, Placement


def place(sizes: Mapping[str, int], jobs: Sequence[ElasticJob], cluster: Cluster) -> dict[str, Placement]:
    """Nodes for each job that gets GPUs.

    The larger come first. Below a node's size a job stays within one, above it takes whole ones; where that needs room,
    smaller jobs are moved together, but none that is restarting. What cannot be had is made smaller.

    Args:
      sizes: GPUs by job; within what the cluster has.
    """
    floor = _Floor(cluster)
    for job in jobs:
        if job.placement and sizes.get(job.name, 0) == job.num_gpus:
            floor.put(job, job.placement)
    todo = [job for job in jobs if sizes.get(job.name, 0) and job.name not in floor.placements]
    wanted = {job.name: sizes[job.name] for job in todo}
    by_name = {job.name: job for job in jobs}
    while todo:
        todo.sort(key=lambda job: (-wanted[job.name], job.submitted_s, job.name))
        job = todo.pop(0)
        placement, moved = floor.room(wanted[job.name])
        for name in moved:
            wanted[name] = by_name[name].num_gpus
            todo.append(by_name[name])
        if placement:
            floor.put(job, placement)
    return floor.placements


class _Floor:
    """Who is where, while it is being decided."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.free = [cluster.gpus_per_node] * cluster.num_nodes
        self.placements: dict[str, Placement] = {}
        self.movable: list[dict[str, int]] = [{} for _ in self.free]

    def put(self, job: ElasticJob, placement: Placement) -> None:
        self.placements[job.name] = placement
        for node, count in placement:
            self.free[node] -= count
        if len(placement) == 1 and job.placement == placement and not job.restarting:
            node, count = placement[0]
            self.movable[node][job.name] = count

    def room(self, num_gpus: int) -> tuple[Placement, list[str]]:
        """Where so many GPUs are, and who has to leave for that; fewer where there is no room for all."""
        whole = self.cluster.gpus_per_node
        parts: list[tuple[int, int]] = []
        moved: list[str] = []
        missing = num_gpus
        while missing:
            node, leaving = self._node_for(min(missing, whole), {node for node, _ in parts})
            if node is None:
                break
            for name in leaving:
                self._remove(name)
            moved += leaving
            parts.append((node, min(missing, whole)))
            missing -= parts[-1][1]
        if not parts:
            node = max(range(len(self.free)), key=lambda n: (self.free[n], -n))
            parts = [(node, 2 ** (self.free[node].bit_length() - 1))] if self.free[node] else []
        return tuple(sorted(parts)), moved

    def _node_for(self, count: int, taken: set[int]) -> tuple[int | None, list[str]]:
        """The fullest node with room; else the one where least has to be moved away."""
        nodes = [node for node in range(len(self.free)) if node not in taken]
        fits = [node for node in nodes if self.free[node] >= count]
        if fits:
            return min(fits, key=lambda node: (self.free[node], node)), []
        best: tuple[int, int, list[str]] | None = None
        for node in nodes:
            leaving, freed = [], self.free[node]
            for name, size in sorted(self.movable[node].items(), key=lambda item: item[1]):
                if freed < count and size < count:
                    leaving.append(name)
                    freed += size
            cost = freed - self.free[node]
            if freed >= count and (best is None or (cost, node) < best[:2]):
                best = (cost, node, leaving)
        return (best[1], best[2]) if best else (None, [])

    def _remove(self, name: str) -> None:
        ((node, count),) = self.placements.pop(name)
        self.free[node] += count
        del self.movable[node][name]
