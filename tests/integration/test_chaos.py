"""A control plane that is broken at random by a seeded plan loses no job, runs none twice, and accounts for all."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration import promises
from tests.integration.control_plane import ControlPlane
from tests.integration.stepped_clock import SteppedClock, build
from tests.postgres_server import PostgresServer, programs
from tests.slurm_cluster import NODES, PROGRAMS, SlurmCluster

pytestmark = pytest.mark.chaos
NUM_STEPS = 200
_FULL_FOR = 8  # steps
_CLOCK_STEPS_S = (-3600.0, -20.0, -1.0, 0.0, 1.0, 20.0, 3600.0)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    _need("a real Slurm", all(map(shutil.which, PROGRAMS)))
    cluster = SlurmCluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.down()


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    _need("PostgreSQL", programs() is not None)
    server = PostgresServer()
    server.up()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def clock_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    _need("gcc", shutil.which("gcc") is not None)
    return build(tmp_path_factory.mktemp("clock"))


def _need(what: str, is_there: bool) -> None:
    if not is_there:
        end = pytest.fail if os.environ.get("CI") else pytest.skip
        end(f"chaos needs {what}: apt-get install slurm-wlm munge postgresql gcc")


@pytest.mark.timeout(600)
def test_chaos(seed: int, slurm: SlurmCluster, postgres: PostgresServer, clock_library: Path, tmp_path: Path) -> None:
    """Odd seeds have PostgreSQL, and two servers, of which one has the controller that works."""
    clock = SteppedClock(clock_library, tmp_path / "clock")
    database, num_servers = (postgres, 2) if seed % 2 else (None, 1)
    plane = ControlPlane(tmp_path, slurm, database, clock, random.Random(seed), num_servers=num_servers)
    try:
        plane.up()
        play(plane, random.Random(seed))
        slurm.up()
        plane.say("Slurm is up")
        for key in plane.jobs_of:
            plane.wait_for(lambda key=key: plane.ask(key), f"an answer to {key}")  # type: ignore[misc]
        plane.say("all asked again")
        promises.come_to_rest(plane)
        promises.check(plane)
    finally:
        plane.down()


def play(plane: ControlPlane, chance: random.Random) -> None:
    """A step is one thing that happens; the disk of the servers stays full for a few of them."""
    deeds: dict[str, tuple[float, Callable[[], object]]] = {
        "submit": (3, plane.submit),
        "look": (6, plane.look),
        "ask again": (2, plane.ask_again),
        "stop a job": (1, plane.stop_one),
        "kill an agent": (1.5, plane.kill_agent),
        "kill a rank": (1.5, plane.kill_rank),
        "kill a server": (0.4, plane.kill_server),
        "set the clock": (0.4, lambda: plane.clock.step(chance.choice(_CLOCK_STEPS_S))),
        "kill slurmd": (0.3, lambda: plane.slurm.kill(f"slurmd.{chance.choice(NODES)}")),
        "kill slurmctld": (0.2, lambda: plane.slurm.kill("slurmctld")),
        "start Slurm": (0.5, plane.slurm.start),
        "restart PostgreSQL": (0.3, lambda: plane.postgres and plane.postgres.restart()),
    }
    names, weights = list(deeds), [weight for weight, _ in deeds.values()]
    full_until = 0
    for step in range(NUM_STEPS):
        if step == full_until:
            plane.empty_disk()
        if step >= full_until and chance.random() < 0.02:
            full_until = step + _FULL_FOR
            plane.fill_disk()
        (name,) = chance.choices(names, weights)
        plane.say(f"{step}: {name}")
        deeds[name][1]()
    plane.say("at rest")
    plane.empty_disk()
