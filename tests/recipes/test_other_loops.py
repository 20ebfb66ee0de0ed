"""The recipes with other frameworks, run as a user runs them, on a tiny generated drive."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import drivetrain as dt
from drivetrain.data import SynthSpec, build_dataset, synth
from drivetrain.store import open_run

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
pytestmark = pytest.mark.timeout(200)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    log = synth(SynthSpec(duration_s=1.6, width=160, height=90))
    return build_dataset(log, tmp_path_factory.mktemp("datasets") / "tiny", size=(64, 36)).path


@pytest.mark.parametrize("recipe", ["lightning_segment.py", "huggingface_segment.py"])
def test_a_recipe_trains_and_its_report_says_where_the_time_went(recipe: str, dataset: Path, tmp_path: Path) -> None:
    for command in ([str(RECIPES / recipe), str(dataset), "--steps", "4"], ["-m", "drivetrain", "report", "latest"]):
        done = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "steps kept: 4, lost: 0" in done.stdout
    account = dt.account(open_run("latest"))
    account.check()
    assert {"init", "productive", "data_wait", "teardown"} <= set(account.leaves)
