"""The recipe of the demo changes how its model is spread over ranks by one word."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests import warm_nursery

from drivetrain.data import SynthSpec, build_dataset, synth
from drivetrain.store import open_run

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "segment.py"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_from_ddp_to_fsdp_it_is_one_word_and_the_same_score(tmp_path: Path) -> None:
    build_dataset(synth(SynthSpec(duration_s=1.4, width=64, height=36)), tmp_path / "set", size=(32, 18), held_out=0.2)
    text = RECIPE.read_text()
    assert text.count('parallel="ddp"') == 1
    scores = []
    for way in ("ddp", "fsdp"):
        script = tmp_path / f"{way}.py"
        script.write_text(text.replace('parallel="ddp"', f'parallel="{way}"'))
        arguments = [sys.executable, str(script), str(tmp_path / "set"), "--steps", "3"]
        command = [*warm_nursery.drivetrain(), "run", "--ranks", "2", "--", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        scores.append(json.loads((open_run("latest").kept / "results.json").read_text()))
    assert scores[0]["mean IoU, held out"] == pytest.approx(scores[1]["mean IoU, held out"], abs=1e-3)
