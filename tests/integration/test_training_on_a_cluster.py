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
from tests.server_process import ServerProcess, bare_venv, wait_for, wait_for_state
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
ENV = {"OMP_NUM_THREADS": "1"}
LONGEST_S = 200.0
"""Of one run."""
SCRIPT = """
import sys
from pathlib import Path
import torch
import drivetrain as dt

folder = Path(sys.argv[1])
run = dt.Run(parallel="ddp", checkpoint=dt.Checkpoint(every="100000step"))
network = torch.nn.Linear(8, 1)
model, _, batches = run.setup(network, torch.optim.SGD(network.parameters(), lr=0.01), [torch.ones(4, 8)])
for x in run.steps(batches, until=10_000_000):
    if run.is_main:
        with (folder / "steps").open("a") as file:
            print(run.step_index, file=file)
    run.step(model(x).mean())
    if (folder / "enough").exists():
        break
"""
"""Trains until it is told that it is enough."""


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
    job = Job(command=words, nodes=2, pool=pool, env=ENV)
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


def test_a_job_that_is_preempted_saves_first_and_goes_on_with_the_next_step(
    server: ServerProcess, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    client = server.client()
    words = (sys.executable, "train.py", str(tmp_path))
    low = Job(command=words, nodes=2, pool="local", priority="low", preemptible=True, env=ENV)
    name = client.submit(low, snapshot="", folder=str(tmp_path))["id"]
    wait_for(lambda: (tmp_path / "steps").exists(), "a step", patience_s=LONGEST_S)
    urgent = Job(command=("true",), nodes=3, cpus=2, pool="local", priority="high")
    high = client.submit(urgent, snapshot="", folder=str(tmp_path))["id"]
    wait_for(lambda: _ended(server, high), "the urgent job", patience_s=LONGEST_S)
    (tmp_path / "enough").touch()
    ended = wait_for(lambda: _ended(server, name), "the end of the other", patience_s=LONGEST_S)
    assert ended["state"] == "succeeded", ended["reason"]
    first, second = ended["attempts"]
    assert (first["why"], second["why"]) == ("preempted", None)
    assert "about" in first["reason"]
    assert "device-hours are done again" in first["reason"]
    steps = [int(step) for step in (tmp_path / "steps").read_text().split()]
    assert steps == list(range(len(steps))), "a step was lost, or done again"
    rows = client.ask("GET", "/api/cost?by=job&since_s=100000")["json"]["rows"]
    [leaves] = [row["leaves_device_ms"] for row in rows if name in row.values()]
    assert leaves.get("lost", 0) == 0
    assert leaves["productive"] > 0


SAVER = """
import signal, sys, time
from pathlib import Path

def save(signum, frame):
    for _ in range(40):
        time.sleep(0.1)
    Path(sys.argv[1] + ".saved").touch()
    sys.exit()

signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
while True:
    time.sleep(1)
"""
STUBBORN = """
import signal, sys, time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
while True:
    time.sleep(0.1)
    with open(sys.argv[1] + ".lived", "w") as file:
        print(time.time(), file=file)
"""
SLOW = """
import sys, time
import torch
import drivetrain as dt

run = dt.Run(checkpoint=dt.Checkpoint(every="100000step"))
network = torch.nn.Linear(8, 1)
model, _, batches = run.setup(network, torch.optim.SGD(network.parameters(), lr=0.01), [torch.ones(4, 8)])
for x in run.steps(batches, until=1000):
    time.sleep(2)
    run.step(model(x).mean())
    print("ready" if run.step_index >= 2 else "soon", run.step_index, flush=True)
"""


def test_a_job_that_is_stopped_has_all_its_grace_to_save_in_and_not_more(server: ServerProcess, tmp_path: Path) -> None:
    client = server.client()
    jobs = {}
    for pool in ("local", "slurm"):
        for what, script, nodes, grace_s in (
            ("saver", SAVER, 1, 30),
            ("gang", SAVER, 2, 30),
            ("stubborn", STUBBORN, 1, 6),
            ("slow", SLOW, 1, 30),
        ):
            (tmp_path / f"{what}.py").write_text(script)
            words = (sys.executable, f"{what}.py", f"{pool}-{what}")
            job = Job(command=words, pool=pool, nodes=nodes, grace=f"{grace_s}s", env=ENV)
            jobs[pool, what] = client.submit(job, snapshot="", folder=str(tmp_path))["id"]
    for key, name in jobs.items():
        wait_for(lambda n=name: "ready" in _text(server, n), f"{key} to be ready", patience_s=LONGEST_S)  # type: ignore[misc]
    for name in jobs.values():
        client.stop(name)
    told = {
        key: wait_for(lambda n=name: _ended(server, n), f"the end of {key}", patience_s=LONGEST_S)  # type: ignore[misc]
        for key, name in jobs.items()
    }
    assert {each["state"] for each in told.values()} == {"stopped"}
    for pool in ("local", "slurm"):
        assert (tmp_path / f"{pool}-saver.saved").exists()
        assert (tmp_path / f"{pool}-gang.saved").exists()
        lived_s = float((tmp_path / f"{pool}-stubborn.lived").read_text())
        attempt = told[pool, "stubborn"]["attempts"][-1]
        assert -1 < lived_s - attempt["leave_by_s"] < 5
        run = server.home / "runs" / told[pool, "slow"]["run"]
        assert LocalShelf(run / "checkpoints").steps(), f"{pool} saved nothing"


def _text(server: ServerProcess, job: str) -> str:
    return "".join(piece["text"] for piece in server.client().logs(job, rank=None, follow=False))


def test_a_job_on_slurm_whose_python_cannot_be_an_agent_fails_at_once_and_says_why(
    server: ServerProcess, tmp_path: Path
) -> None:
    client = server.client()
    for venv, nodes, reason in (
        (bare_venv(tmp_path), 1, "No module named 'drivetrain'"),
        (tmp_path / "bare", 2, "No module named 'drivetrain'"),
        (tmp_path / "none", 1, "not found"),
    ):
        job = Job(command=("true",), nodes=nodes, pool="slurm", venv=str(venv))
        name = client.submit(job, snapshot="", folder=str(tmp_path))["id"]
        told = wait_for_state(client, name, "failed")
        assert reason in told["reason"]
        assert len(told["attempts"]) == 1
