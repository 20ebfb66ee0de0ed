from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from drivetrain.store import list_runs

RECIPE = """
import sys
import torch
from torch import nn
import drivetrain as dt

torch.set_num_threads(1)
run = dt.Run(recompute="full")
x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
optimizer = torch.optim.AdamW(network.parameters(), lr=float(sys.argv[1]))
model, optimizer, batches = run.setup(network, optimizer, [x[:32], x[32:]])
if optimizer.param_groups[0].get("fused"):
    raise RuntimeError("this kernel does not work here")
for batch in run.steps(batches, until=30):
    run.step((model(batch) - batch.sum(1, keepdim=True)).square().mean())
print("never comes here", file=sys.stderr)
"""


def drivetrain(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    (cwd / "recipe.py").write_text(RECIPE)
    command = [sys.executable, "-m", "drivetrain", "tune", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=110)


def test_a_change_that_crashes_is_reported_with_its_last_words(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    done = drivetrain("--json", "--minutes", "1.5", "recipe.py", "--", "0.01", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    tuning = json.loads(done.stdout)
    rows = {row["name"]: row for row in tuning["rows"]}
    assert rows["fused optimizer"]["verdict"] == "failed"
    assert "this kernel does not work here" in rows["fused optimizer"]["why"]
    assert {"channels-last", "compile", "recompute"} <= {item["name"] for item in tuning["left_out"]}
    assert 10 <= len(tuning["plain"]["losses"]) <= 30
    assert tuning["plain"]["peak_bytes"] > 1e6
    assert list_runs() == []  # trials lie apart
    assert len(list((own_home / "tune").glob("tune-*/runs/run-*"))) >= 2


def test_optimizers_are_compared_to_the_end_of_the_recipe(tmp_path: Path) -> None:
    done = drivetrain("--optimizers", "adamw@2", "--minutes", "0.1", "recipe.py", "0.01", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "at the end, after 30 steps" in done.stdout
    assert "adamw@2    x " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["recipe.py", "no-number"], 1, "the recipe as it is does not run: rank 0 left with exit code 1"),
        (["no-such.py"], 2, "there is no script no-such.py"),
        (["--optimizers", "sgd", "recipe.py"], 2, "'sgd' is no optimizer to try"),
        (["--optimizers", "muon", "--steps", "20", "recipe.py"], 2, "--steps and --optimizers disagree"),
        ([], 2, "Missing argument 'RECIPE'"),
    ],
)
def test_what_cannot_be_tuned_is_one_error(arguments: list[str], code: int, message: str, tmp_path: Path) -> None:
    done = drivetrain(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr.replace("Traceback (most recent call last): /", "")


def test_ctrl_c_before_anything_is_known_exits_130(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "up")
    (tmp_path / "recipe.py").write_text("import time\nopen('up', 'w').close()\ntime.sleep(60)\n")
    command = [sys.executable, "-m", "drivetrain", "tune", "recipe.py"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        (tmp_path / "up").read_bytes()  # waits until the recipe runs
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "stopped before anything was known" in errors
