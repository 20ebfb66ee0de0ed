"""A control plane that is broken at random by a seeded plan loses no job, runs none twice, and accounts for all."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.control_plane import NODES, ControlPlane
from tests.postgres_server import PostgresServer
from tests.slurm_cluster import SlurmCluster

pytestmark = pytest.mark.chaos
NUM_STEPS = 200
_FULL_FOR = 8  # steps


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    cluster = SlurmCluster(tmp_path_factory.mktemp("slurm"))
    cluster.up()
    yield cluster
    cluster.down()


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.up()
    yield server
    server.remove()


@pytest.mark.timeout(600)
def test_chaos(seed: int, slurm: SlurmCluster, postgres: PostgresServer, tmp_path: Path) -> None:
    chance = random.Random(seed)
    plane = ControlPlane(tmp_path, slurm, postgres if seed % 2 else None)
    plane.up()
    try:
        play(plane, chance)
        slurm.up()
        plane.settle()
        for key, job in plane.keys:
            plane.ask(key, job)
        plane.settle()
        plane.check()
    finally:
        plane.down()


def play(plane: ControlPlane, chance: random.Random) -> None:
    """A step is one thing that happens; the disk of the server stays full for a few of them."""
    deeds: dict[Callable[[], object], float] = {
        lambda: plane.submit(chance): 3,
        plane.look: 6,
        lambda: plane.keys and plane.ask(*chance.choice(plane.keys)): 2,
        lambda: plane.keys and plane.drop_request(*chance.choice(plane.keys)): 2,
        lambda: plane.stop_one(chance): 1,
        lambda: plane.kill_agent(chance): 2,
        plane.kill_server: 0.4,
        lambda: plane.slurm.kill(f"slurmd.{chance.choice(NODES)}"): 0.3,
        lambda: plane.slurm.kill("slurmctld"): 0.2,
        plane.slurm.up: 0.5,
        lambda: plane.postgres and plane.postgres.restart(): 0.3,
    }
    full_until = 0
    for step in range(NUM_STEPS):
        if step == full_until:
            plane.fill_disk(-1)
        if not full_until and chance.random() < 0.02:
            full_until = step + _FULL_FOR
            plane.fill_disk(4096)
        (deed,) = chance.choices(list(deeds), weights=list(deeds.values()))
        deed()
    plane.fill_disk(-1)
