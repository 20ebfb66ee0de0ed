"""Loops of other libraries, the real ones: each test is a process of its own, because their imports take seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests import warm_nursery

import drivetrain as dt
from drivetrain.ledger import read_history, scalars
from drivetrain.store import RunFolder, list_runs, open_run

HERE = Path(__file__).parent
pytestmark = pytest.mark.timeout(300)


def run(*command: str, cwd: Path, ends_well: bool = True) -> str:
    done = subprocess.run([sys.executable, *command], cwd=cwd, capture_output=True, text=True, timeout=280, check=False)
    assert (done.returncode == 0) == ends_well, done.stdout + done.stderr
    return done.stderr


def kinds(folder: RunFolder, *wanted: str) -> list[tuple[str, int | None]]:
    lines = [json.loads(line) for path in sorted(folder.journal.iterdir()) for line in path.read_text().splitlines()]
    return [(line["k"], line.get("step")) for line in lines if line["k"] in wanted]


def checked(num_kept: int, *leaves: str) -> RunFolder:
    """The one run there is, whose account is whole, names these leaves and hides next to nothing."""
    [manifest] = list_runs()
    folder = open_run(manifest.id)
    account = dt.account(folder)
    account.check()
    assert account.num_steps_kept == num_kept
    assert set(leaves) <= set(account.leaves)
    assert account.leaves.get("unknown", 0) < 0.01 * account.allocated_ns
    return folder


def launched(script: str, *arguments: str, cwd: Path) -> None:
    fault = ("--fault", "kill:rank=1,step=5")
    command = [*warm_nursery.drivetrain()[1:], "run", "--ranks", "2", *fault, "--", sys.executable]
    run(*command, str(HERE / script), *arguments, cwd=cwd)


def test_a_lightning_trainer_is_accounted_for(tmp_path: Path) -> None:
    run(str(HERE / "lightning_training.py"), str(tmp_path / "saved"), "pytorch_lightning", "10", "1", cwd=tmp_path)
    folder = checked(10, "init", "productive", "data_wait", "eval", "checkpoint", "teardown")
    assert folder.manifest().config["loop"] == "Lightning"
    assert kinds(folder, "commit", "resume", "skip") == [("commit", step) for step in (3, 3, 6, 6, 9, 9)]
    found = scalars(read_history(folder).events)
    assert [step for step, _, _ in found["train_loss"]] == list(range(1, 11))
    assert found["loss"][0][2] == pytest.approx(found["train_loss"][0][2])
    assert [step for step, _, _ in found["val_loss"] if step % 4 == 0] == [4, 8]


@pytest.mark.slow
def test_a_lightning_rank_that_is_killed_is_restarted_and_what_was_lost_is_named(tmp_path: Path) -> None:
    launched("lightning_training.py", str(tmp_path / "saved"), "lightning.pytorch", "10", "2", cwd=tmp_path)
    folder = checked(10, "productive", "lost", "checkpoint")
    assert kinds(folder, "resume") == [("resume", 3), ("resume", 3)]
    assert dt.account(folder).num_attempts == 2


@pytest.mark.slow
def test_a_hugging_face_rank_that_is_killed_is_restarted_and_what_was_lost_is_named(tmp_path: Path) -> None:
    launched("huggingface_training.py", str(tmp_path / "saved"), "10", cwd=tmp_path)
    folder = checked(10, "init", "productive", "lost", "data_wait", "eval", "checkpoint", "teardown")
    assert kinds(folder, "resume", "commit") == [
        *[("commit", 3), ("resume", 3), ("commit", 6), ("commit", 9), ("commit", 10), ("resume", 3)]
    ]
    found = scalars(read_history(folder).events)
    assert [step for step, _, _ in found["loss"]] == list(range(1, 11))
    assert {"eval_loss", "learning_rate"} <= set(found)
