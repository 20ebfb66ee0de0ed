"""Checkpoints made by earlier code stay readable, on any number of ranks; `tests/golden` has them."""

from __future__ import annotations

import json
import os
import pickle
import runpy
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from tests import warm_nursery

import drivetrain as dt
from drivetrain.core.errors import UnsafePickleError
from drivetrain.store import LocalShelf, RunFolder, create_run, file_hash, verify_checkpoint

FOLDER = Path(__file__).resolve().parents[1] / "golden"
DIGEST = "75cbfa5169b83835f2e7d6a942988f1c698d356b60a9f6b06ca066a52b07ca12"
"""The state that both hold. In it, batch norm's statistics are those of the rank that wrote them."""


def unpacked(name: str, num_ranks: int = 1) -> RunFolder:
    run = create_run([], num_ranks)
    run.checkpoints.mkdir(parents=True)
    with tarfile.open(FOLDER / f"{name}.tar.gz") as archive:
        archive.extractall(run.checkpoints, filter="data")
    return run


def resumed(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """The step and state that a run of one rank goes on from."""
    monkeypatch.setenv("DRIVETRAIN_RUN", run.id)
    training = runpy.run_path(str(FOLDER / "golden_training.py"), run_name="golden")
    with dt.Run(ema=0.9, seed=3, checkpoint=dt.Checkpoint(), device="cpu") as live:
        network, optimizer, schedule = training["make"]()
        model, optimizer, _ = live.setup(network, optimizer, training["Rows"](), schedule=schedule)
        return live.step_index, training["digest"](live, model, optimizer)


@pytest.mark.parametrize("name", ["format-1", "format-2"])
def test_a_golden_checkpoint_of_two_ranks_is_resumed_on_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = unpacked(name)
    assert verify_checkpoint(LocalShelf(run.checkpoints), 4).world_size == 2
    assert resumed(run, monkeypatch) == (4, DIGEST)


def test_the_first_format_is_resumed_on_the_ranks_that_wrote_it_bit_for_bit(own_home: Path) -> None:
    script = str(FOLDER / "golden_training.py")
    command = [*warm_nursery.drivetrain(), "run", "--ranks", "2", "--run"]
    digests = [
        subprocess.run(
            [*command, unpacked(name, 2).id, "--", sys.executable, script, "6"],
            env=os.environ | {"DRIVETRAIN_HOME": str(own_home)},
            capture_output=True,
            text=True,
            timeout=100,
            check=True,
        ).stdout
        for name in ("format-1", "format-2")
    ]
    assert digests[0] == digests[1] != ""


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_an_index_that_would_run_code_ends_a_run_that_would_go_on_from_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = unpacked("format-1")
    folder = run.checkpoints / "step-00000004"
    index = folder / ".metadata"
    index.write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][".metadata"] = {"size_bytes": index.stat().st_size, "sha256": file_hash(index)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UnsafePickleError, match="which is no part of a checkpoint's index"):
        resumed(run, monkeypatch)
    assert not (tmp_path / "ran").exists()
