"""An openb list as jobs that come and go by its own times, and its nodes as a site."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from drivetrain.compute.controller.changes import Settings
from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.policy.packing import WHOLE, Machine
from drivetrain.compute.policy.values import MILLI, Pool, Request, Waiting
from drivetrain.compute.simulate.openb import Pod, check_times
from drivetrain.compute.simulate.site import POOL, Site
from drivetrain.compute.simulate.values import Arrival

_MIB = 1 << 20
_MOST_HEAD = 4096


def is_pods(path: Path) -> bool:
    """Whether a file begins as a list of pods."""
    return {"cpu_milli", "gpu_milli"} <= _head(path)


def is_nodes(path: Path) -> bool:
    """Whether a file begins as a list of nodes."""
    return {"sn", "model"} <= _head(path)


def arrivals_of(pods: Sequence[Pod]) -> list[Arrival]:
    """Each as long as it was there; seconds from the first, in order.

    Raises: DataError: one does not say when it came or went.
    """
    check_times(pods, hint="only a list with both can be played; --pods and --nodes study packing without")
    first_s = min(pod.created_s or 0 for pod in pods)
    found = []
    for pod in sorted(pods, key=lambda pod: (pod.created_s, pod.name)):
        came_s = float((pod.created_s or 0) - first_s)
        job = Waiting(pod.name, "all", "", _request(pod), submitted_s=came_s)
        found.append(Arrival(job, float(max(1, (pod.deleted_s or 0) - (pod.created_s or 0)))))
    return found


def choosy(pods: Iterable[Pod]) -> int:
    """How many would do with some of several kinds of GPUs: the controller knows one kind, or any."""
    return sum(len(pod.shape.models) > 1 for pod in pods)


def site_of(machines: Sequence[Machine]) -> Site:
    """All in one pool that is paid for in any case."""
    nodes = tuple(
        NodeRecord(
            name=machine.name,
            pool=POOL,
            gpu=machine.model,
            num_gpus=machine.num_gpus,
            cpus=machine.cpu_milli / 1000,
            memory_bytes=machine.memory_mib * _MIB,
        )
        for machine in machines
    )
    return Site(nodes, Settings(pools=(Pool(POOL),)))


def _request(pod: Pod) -> Request:
    """A share of one GPU, or whole ones."""
    shape = pod.shape
    is_share = shape.num_gpus == 1 and shape.gpu_milli < WHOLE
    return Request(
        gpu_milli=shape.gpu_milli if is_share else shape.num_gpus * MILLI,
        cpus=shape.cpu_milli / 1000,
        memory_bytes=shape.memory_mib * _MIB,
        gpu=next(iter(shape.models)) if len(shape.models) == 1 else "",
    )


def _head(path: Path) -> set[str]:
    try:
        with path.open("rb") as file:
            line = file.readline(_MOST_HEAD)
    except OSError:
        return set()
    return {cell.strip() for cell in line.decode(errors="replace").removeprefix("\ufeff").split(",")}
