"""Windows of the real Philly table (Jeon et al., ATC 2019, as Pollux has it), each on a fleet on which its jobs wait.

The table names virtual clusters and no users. A window is so many jobs from a day on, of one virtual cluster or of all;
its fleet has as many nodes of 8 GPUs as make the load, of what jobs would use until the window's end if none waited.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from msgspec.structs import replace

from drivetrain.compute.policy.values import MILLI, Node, Pool, Quota, Snapshot
from drivetrain.compute.simulate.philly import read_philly
from drivetrain.compute.simulate.values import Arrival

DATA = Path(os.environ.get("DRIVETRAIN_TEST_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
DAY_S = 86400.0
GPUS_PER_NODE = 8


@dataclass(frozen=True, slots=True)
class Window:
    """Which jobs. Attributes: cluster: empty for all; day: of the table, from its first job on; load: of the fleet."""

    cluster: str
    day: int
    num_jobs: int
    load: float


WINDOWS: Mapping[str, tuple[Window, ...]] = {
    "looked at": (
        Window("6c71a0", 43, 2000, 0.55),
        Window("6c71a0", 48, 1500, 0.55),
        Window("6c71a0", 50, 2000, 0.55),
        Window("6c71a0", 53, 1200, 0.55),
        Window("11cb48", 20, 1500, 0.6),
        Window("11cb48", 52, 1500, 0.6),
    ),
    "held out": (
        Window("11cb48", 46, 1000, 0.6),
        Window("11cb48", 62, 1000, 0.6),
        Window("6214e9", 22, 1000, 0.6),
        Window("6214e9", 24, 1000, 0.6),
        Window("b436b2", 46, 1000, 0.6),
        Window("b436b2", 47, 1000, 0.6),
        Window("", 32, 1000, 0.8),
        Window("", 42, 1000, 0.8),
    ),
}
"""`looked at`: of the 24 to which the estimator was fitted, those that are quickly played; `held out`: chosen by a rule
before any was played, without a job of the 24; after they were measured it was not changed."""


def read(window: Window) -> tuple[list[Arrival], Snapshot]:
    """Its jobs, with times from its first, and its fleet, shared by the virtual clusters with quotas that they lend."""
    found = [arrival for arrival in _table() if window.cluster in ("", arrival.job.team)]
    found = [arrival for arrival in found if arrival.job.submitted_s >= window.day * DAY_S][: window.num_jobs]
    first_s, last_s = found[0].job.submitted_s, found[-1].job.submitted_s
    busy_s = sum(_num_gpus(a) * min(a.run_s, last_s - a.job.submitted_s) for a in found)
    num_nodes = max(1, round(busy_s / (last_s - first_s) / window.load / GPUS_PER_NODE))
    return [_from(arrival, first_s) for arrival in found], _fleet(num_nodes, sorted({a.job.team for a in found}))


@cache
def _table() -> list[Arrival]:
    return read_philly(DATA / "pollux" / "traces" / "philly.csv").arrivals


def _fleet(num_nodes: int, teams: list[str]) -> Snapshot:
    nodes = tuple(Node(f"n{at:03d}", "philly", (MILLI,) * GPUS_PER_NODE, "P100") for at in range(num_nodes))
    own = num_nodes * GPUS_PER_NODE * MILLI // len(teams)
    quotas = tuple(Quota(team, "philly", "", own) for team in teams) if len(teams) > 1 else ()
    return Snapshot(nodes, (Pool("philly"),), quotas)


def _num_gpus(arrival: Arrival) -> float:
    return arrival.job.request.min_nodes * arrival.job.request.gpu_milli / MILLI


def _from(arrival: Arrival, first_s: float) -> Arrival:
    at_s = arrival.job.submitted_s - first_s
    job = replace(arrival.job, submitted_s=at_s, eligible_s=at_s, preemptible=True, save_every_s=1800.0)
    return Arrival(replace(job, min_runtime_s=600.0), arrival.run_s)
