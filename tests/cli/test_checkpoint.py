"""`drivetrain checkpoint`: what a run has saved, whether it is whole, and its weights for others."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import drivetrain as dt
from drivetrain.store import open_run


def drivetrain(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "drivetrain", "checkpoint", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, torch.Tensor]:
    """A run with two checkpoints and averages; its last weights and, under `average/`, averages."""
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1).to(torch.bfloat16).float())
    with dt.Run(ema=0.5, checkpoint=dt.Checkpoint(every="2step", best="loss"), device="cpu") as run:
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
        model, _, batches = run.setup(network, optimizer, [torch.randn(5, 3)])
        for x in run.steps(batches, until=4):
            loss = model(x).square().mean()
            run.step(loss)
            run.log(loss=loss)
        run.export(tmp_path / "live.safetensors")
        with run.averaged(network):
            averages = {f"average/{name}": value.clone() for name, value in network.state_dict().items()}
    return {**network.state_dict(), **averages}


def test_the_weights_go_into_one_file_that_the_safetensors_library_opens(
    weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    out = tmp_path / "out.safetensors"
    done = drivetrain("export", "latest", out)
    assert done.returncode == 0, done.stderr
    found, live = load_file(out), load_file(tmp_path / "live.safetensors")
    assert set(found) == set(live) == {name for name in weights if not name.startswith("average/")}
    assert all(torch.equal(value, weights[name]) and torch.equal(value, live[name]) for name, value in found.items())
    refused = drivetrain("export", "latest", out.with_suffix(".pt"))
    assert refused.returncode == 2
    assert "what is written is safetensors" in refused.stderr
    refused = drivetrain("export", "latest", out, "--averaged")
    assert refused.returncode == 2
    assert "exists already" in refused.stderr
    assert drivetrain("export", "latest", out, "--averaged", "--force").returncode == 0
    assert all(torch.equal(value, weights[f"average/{name}"]) for name, value in load_file(out).items())


def test_checkpoints_are_listed_and_verified_and_a_flipped_byte_is_found(weights: dict[str, torch.Tensor]) -> None:
    listed = json.loads(drivetrain("list", "latest", "--json").stdout)
    assert [(one["step"], one["tier"], one["finite"]) for one in listed] == [(2, "bitwise", True), (4, "bitwise", True)]
    assert listed[0]["metrics"]["loss"] > 0
    table = drivetrain("list", "latest").stdout
    assert "loss=" in table
    done = drivetrain("verify", "latest")
    assert done.stdout.startswith("step 2: whole, ")
    file = next(open_run("latest").checkpoints.glob("step-00000004/rank-*"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    broken = drivetrain("verify", "latest")
    assert broken.returncode == 74
    assert "rank-00000.safetensors was altered" in broken.stdout
    assert drivetrain("export", "latest", file.parent / "x", "--step", "3").returncode == 2


def test_a_damaged_checkpoint_is_named_and_stands_in_no_other_s_way(
    weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    folder = open_run("latest").checkpoints
    shutil.copytree(folder / "step-00000004", folder / "step-00000006")
    (folder / "step-00000006" / "manifest.json").write_text("{")
    next(folder.glob("step-00000002/rank-*")).unlink()
    listed = drivetrain("list", "latest")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["step", "2", "4", "6"]
    assert f"   6  damaged: {folder}/step-00000006/manifest.json cannot be read" in listed.stdout
    last = json.loads(drivetrain("list", "latest", "--json").stdout)[-1]
    assert set(last) == {"step", "damaged"}
    verified = drivetrain("verify", "latest")
    assert (verified.returncode, verified.stderr) == (74, "")
    two, four, six = verified.stdout.splitlines()
    assert two.startswith("step 2: damaged: ")
    assert two.endswith("rank-00000.safetensors is missing")
    assert four.startswith("step 4: whole, ")
    assert six.startswith("step 6: damaged: ")
    told = drivetrain("verify", "latest", "--json")
    assert told.returncode == 74
    assert [(one["step"], "damaged" in one) for one in json.loads(told.stdout)] == [(2, True), (4, False), (6, True)]
    exported = drivetrain("export", "latest", tmp_path / "out.safetensors")
    assert exported.returncode == 0
    assert "out.safetensors: step 4, " in exported.stdout
    assert "step 6 is passed over, damaged: " in exported.stderr
