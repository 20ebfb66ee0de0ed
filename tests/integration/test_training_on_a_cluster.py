"""The same training on the local engine and on a real Slurm: the same weights, also where a node is lost."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.server.conftest import end_agents
from tests.server_process import ServerProcess, wait_for
from tests.slurm_cluster import PROGRAMS, SlurmCluster

from drivetrain.compute.agent.claim import holder
from drivetrain.compute.job import Job
from drivetrain.data import SynthSpec, build_dataset, synth
from drivetrain.store import LocalShelf
from drivetrain.store.export import export_weights

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "segment.py"
POOLS = '[[pools]]\nname = "local"\nnodes = 3\n[[pools]]\nname = "slurm"\nengine = "slurm"\npartition = "main"\n'
NUM_STEPS = 50
LONGEST_S = 200.0
"""Of one run."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        end: Callable[[str], None] = pytest.fail if os.environ.get("CI") else pytest.skip
        end(f"{', '.join(missing)} is not installed: apt-get install slurm-wlm munge")
    cluster = SlurmCluster(tmp_path / "slurm")
    config = tmp_path / "server.toml"
    config.write_text(POOLS)
    try:
        cluster.up()
        server = ServerProcess(tmp_path / "home", options=("--config", str(config)), env=cluster.env).start()
        try:
            yield server
        finally:
            server.kill()
            cluster.cancel()
            end_agents(tmp_path / "home")
    finally:
        cluster.down()


def train(server: ServerProcess, dataset: Path, pool: str, *, loses: int | None = None) -> bytes:
    """The weights at the end. Args: loses: which member's agent is killed once there is a checkpoint."""
    client = server.client()
    words = (sys.executable, str(RECIPE), str(dataset), "--steps", str(NUM_STEPS))
    job = Job(command=words, nodes=2, pool=pool, env={"OMP_NUM_THREADS": "1"})
    told = client.submit(job, snapshot="", folder=str(dataset.parent))
    name, run = told["id"], server.home / "runs" / told["run"]
    if loses is not None:
        wait_for(lambda: list(run.glob("checkpoints/step-*")), "a checkpoint", patience_s=LONGEST_S)
        pid = holder(server.home / "agents" / f"{name}.0" / f"{loses}.claim")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    ended = wait_for(lambda: _ended(server, name), f"the end of {name}", patience_s=LONGEST_S)
    assert ended["state"] == "succeeded", ended["reason"]
    assert (len(ended["attempts"]) > 1) == (loses is not None)
    weights = dataset.parent / f"{name}.safetensors"
    export_weights(LocalShelf(run / "checkpoints"), NUM_STEPS, weights)
    return weights.read_bytes()


def _ended(server: ServerProcess, name: str) -> dict | None:  # type: ignore[type-arg]
    found = server.client().job(name)
    return found if found["ended_s"] is not None else None


def test_one_command_trains_here_and_on_slurm_to_the_same_weights_with_a_node_lost_or_not(
    server: ServerProcess, tmp_path: Path
) -> None:
    dataset = tmp_path / "set"
    build_dataset(synth(SynthSpec(duration_s=1.4, width=64, height=36)), dataset, size=(32, 18), held_out=0.2)
    here = train(server, dataset, "local")
    assert train(server, dataset, "slurm") == here
    assert train(server, dataset, "slurm", loses=1) == here
    assert train(server, dataset, "local", loses=0) == here
