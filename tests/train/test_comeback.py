"""A rank dies, the others' processes stay: where the state of the next attempt comes from, and that it is right."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tests import warm_nursery

from drivetrain.ledger import account, read_history
from drivetrain.store import RunFolder, create_run, shelf_of

SCRIPT = """
import hashlib, json, os, sys, time
from pathlib import Path
import torch
from torch import nn
import drivetrain as dt
sys.path.insert(0, {folder!r})
from tiny_training import Ordered

options = json.loads(sys.argv[1])
torch.set_num_threads(1)
print("pid", os.getpid())
checkpoint = dt.Checkpoint(every=options.get("every", "100step"), wait=True)
with dt.Run(parallel=options["parallel"], ema=0.9, clip=1.0, checkpoint=checkpoint, device="cpu") as run:
    network = nn.Sequential(nn.Linear(16, 32), nn.BatchNorm1d(32), nn.Dropout(0.2), nn.Linear(32, 1))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=100)
    model, _, batches = run.setup(network, optimizer, Ordered(24), schedule=schedule)
    for batch in run.steps(batches, until=options["steps"]):
        if [run.rank, run.step_index] == options.get("sleeps") and run.attempt == 0:
            time.sleep(600)
        run.step((model(batch["x"]) - batch["x"].sum(1, keepdim=True)).square().mean())
        print("finished", run.step_index, flush=True)
    digest = hashlib.sha256()
    for tensor in network.state_dict().values():
        whole = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
        digest.update(whole.numpy().tobytes())
    if run.is_main:
        Path(options["digest"]).write_text(digest.hexdigest())
"""


def command_of(folder: RunFolder, digest: Path, num_ranks: int, *faults: str, **options: object) -> list[str]:
    """What trains in this run; the final weights' hash goes into a file."""
    script = digest.parent / "train.py"
    script.write_text(SCRIPT.format(folder=str(Path(__file__).parent)))
    command = [*warm_nursery.drivetrain(), "run", "--run", folder.id, "--ranks", str(num_ranks)]
    for fault in faults:
        command += ["--fault", fault]
    given = {"steps": 16, "digest": str(digest), "parallel": "ddp", **options}
    return [*command, "--", sys.executable, str(script), json.dumps(given)]


def train(tmp_path: Path, name: str, num_ranks: int, *faults: str, **options: object) -> tuple[str, int, list[str]]:
    """The final weights' hash, how many processes there were, and the phases of all journals."""
    folder = create_run(["x"], num_ranks)
    command = command_of(folder, tmp_path / name, num_ranks, *faults, **options)
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr
    phases = [event.phase for event in read_history(folder).events if event.kind == "begin"]
    pids = {line.split()[-1] for line in done.stdout.splitlines() if " pid " in line}
    return (tmp_path / name).read_text(), len(pids), phases


@pytest.mark.parametrize(("num_ranks", "parallel"), [(2, "ddp"), pytest.param(4, "hsdp", marks=pytest.mark.slow)])
def test_state_in_the_memory_of_a_survivor_is_the_state_of_the_run(
    own_home: Path, tmp_path: Path, num_ranks: int, parallel: str
) -> None:
    whole, *_ = train(tmp_path, "whole", num_ranks, parallel=parallel)
    digest, num_processes, phases = train(tmp_path, "killed", num_ranks, "kill:rank=1,step=7", parallel=parallel)
    assert digest == whole
    assert num_processes == num_ranks + 1
    assert phases.count("restore/memory") == num_ranks
    assert "restore/checkpoint" not in phases


@pytest.mark.slow
def test_without_a_copy_of_each_part_all_go_to_the_checkpoint(own_home: Path, tmp_path: Path) -> None:
    whole, *_ = train(tmp_path, "whole", 2, parallel="fsdp")
    digest, num_processes, phases = train(tmp_path, "killed", 2, "kill:rank=1,step=7", parallel="fsdp", every="5step")
    assert digest == whole
    assert num_processes == 3
    assert "restore/memory" not in phases
    assert phases.count("restore/checkpoint") == 2


def test_of_ranks_that_wait_the_one_is_replaced_that_never_came_to_the_collective(
    own_home: Path, tmp_path: Path
) -> None:
    folder = create_run(["x"], 2)
    command = command_of(folder, tmp_path / "digest", 2, steps=28, sleeps=[1, 25])
    command[command.index("--run") : command.index("--run")] = ["--hang-after", "1s"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rank 1 hung" in done.stderr
    assert "train.py" in (folder.evidence(0) / "rank-1.stacks.txt").read_text()


@pytest.mark.slow
def test_a_launcher_that_is_killed_takes_its_ranks_with_it_and_the_run_goes_on_where_it_was(
    own_home: Path, tmp_path: Path
) -> None:
    whole, *_ = train(tmp_path, "whole", 2)
    folder = create_run(["x"], 2)
    command = command_of(folder, tmp_path / "killed", 2, "hang:rank=1,step=9", every="4step")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as launcher:
        while "[rank 1] finished 9" not in (line := launcher.stdout.readline()):
            assert line, "it ended too soon"
        family = psutil.Process(launcher.pid).children(recursive=True)
        launcher.kill()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    done = subprocess.run(
        command_of(folder, tmp_path / "killed", 2), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "killed").read_text() == whole
    assert "finished 7\n" not in done.stdout
    account(folder).check()


def test_a_run_that_is_stopped_saves_first_and_goes_on_from_there(own_home: Path, tmp_path: Path) -> None:
    folder = create_run(["x"], 2)
    command = command_of(folder, tmp_path / "stopped", 2, steps=100_000, every="100000step")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as launcher:
        while "[rank 1] finished 9" not in (line := launcher.stdout.readline()):
            assert line, "it ended too soon"
        launcher.send_signal(signal.SIGTERM)
        said, told = launcher.communicate(timeout=60)
    assert launcher.returncode == 128 + signal.SIGTERM
    assert f"drivetrain run --run {folder.id}" in told
    last = [line for line in said.splitlines() if line.startswith("[rank 1] finished")][-1]
    assert shelf_of(folder.checkpoints).steps() == [int(last.split()[-1])]
    account(folder).check()
