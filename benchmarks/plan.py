"""One plan over many nodes and many pending jobs: on an empty fleet, on a full one, and on one to be taken back."""

from __future__ import annotations

import random
from collections.abc import Callable

from msgspec.structs import replace

from drivetrain.compute.policy.plan import plan
from drivetrain.compute.policy.values import (
    MILLI,
    Node,
    Pool,
    Quota,
    Request,
    Running,
    RunTime,
    Share,
    Snapshot,
    Waiting,
)

JUDGED = {"cpu_s"}
NUM_SAMPLES = 5
NOW_S = 100_000.0
GPUS = 8
NUM_NODES = 10_000
NUM_JOBS = 10_000
FLEETS = ("empty", "full", "preempted")
TEAMS = [f"team{number}" for number in range(20)]


def nodes_of(num: int) -> tuple[Node, ...]:
    return tuple(
        Node(
            f"n{at:05d}",
            "on-demand" if at % 4 == 3 else "reserved",
            (MILLI,) * GPUS,
            "H100",
            96,
            96,
            1 << 40,
            1 << 40,
            rack=f"r{at // 32}",
            fabric=f"f{at // 512}",
        )
        for at in range(num)
    )


def waiting_of(num: int, rng: random.Random, most_nodes: int) -> tuple[Waiting, ...]:
    """Most ask for one GPU or a part, some for whole nodes, a few for gangs; each core count is its own shape."""
    found = []
    for at in range(num):
        gpu_milli = rng.choice([250, 500, 1000, 1000, 1000, 2000, 4000, 8000])
        num_nodes = rng.choice([1, 1, 1, 2, 4, most_nodes]) if gpu_milli == GPUS * MILLI else 1
        median_s = rng.lognormvariate(7, 2)
        request = Request(
            num_nodes,
            num_nodes,
            gpu_milli,
            rng.randint(1, 8) * max(1, gpu_milli // MILLI),
            rng.randint(1, 64) << 30,
            topology=rng.choice(["any", "any", "rack"]),
        )
        found.append(
            Waiting(
                f"w{at:05d}",
                rng.choice(TEAMS),
                "ana",
                request,
                rng.choice([50, 100, 100, 200]),
                rng.random() < 0.5,
                submitted_s=NOW_S - rng.random() * 10_000,
                run_time=RunTime(median_s / 4, median_s, median_s * 4) if rng.random() < 0.8 else None,
            )
        )
    return tuple(found)


def snapshot_of(fleet: str, num_nodes: int, num_jobs: int) -> Snapshot:
    """A fleet that is `empty`, `full` of work that stays, or full of work that may be `preempted`."""
    rng = random.Random(1)
    nodes = nodes_of(num_nodes)
    quota = num_nodes * GPUS * MILLI // len(TEAMS)
    quotas = tuple(Quota(team, "all", "", quota, most_lent_milli=quota // 2) for team in TEAMS)
    pools = (Pool("reserved"), Pool("on-demand", "on-demand", 3_000_000))
    snapshot = Snapshot(nodes, pools, quotas, waiting=waiting_of(num_jobs, rng, 16))
    if fleet == "empty":
        return snapshot
    running = []
    for at, node in enumerate(nodes):
        for half in range(2):
            devices = tuple((device, MILLI) for device in range(half * 4, half * 4 + 4))
            team = TEAMS[at % (len(TEAMS) // 2 if fleet == "preempted" else len(TEAMS))]
            running.append(
                Running(
                    f"r{at:05d}.{half}",
                    "a",
                    team,
                    "ana",
                    Request(gpu_milli=4000, cpus=48),
                    (Share(node.name, devices, 48),),
                    priority=100,
                    preemptible=fleet == "preempted",
                    started_s=NOW_S - rng.random() * 20_000,
                    run_time=RunTime(1000, 10_000, 40_000),
                )
            )
    busy = tuple(replace(node, free_milli=(0,) * GPUS, free_cpus=0) for node in nodes)
    return replace(snapshot, nodes=busy, running=tuple(running))


def bench_plan(fleet=FLEETS) -> Callable[[], object]:
    """All that is decided at one moment."""
    snapshot = snapshot_of(fleet, NUM_NODES, NUM_JOBS)
    return lambda: plan(snapshot, NOW_S)
