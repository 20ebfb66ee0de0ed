"""Numbers that go wrong on one rank: all ranks skip, go back and end together."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests import warm_nursery

import drivetrain as dt
from drivetrain.store import list_runs

SCRIPT = Path(__file__).with_name("anomalous_training.py")


def ended(tmp_path: Path, code: int = 0, **options: object) -> str:
    """What two ranks said."""
    given = {"steps": 16, "bad": {}, "digest": str(tmp_path / "digest"), **options}
    command = [*warm_nursery.drivetrain(), "run", "--ranks", "2", "--", sys.executable, str(SCRIPT)]
    done = subprocess.run([*command, json.dumps(given)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_a_bad_batch_of_one_rank_and_ruined_weights_are_met_by_all(tmp_path: Path, parallel: str) -> None:
    said = ended(tmp_path, parallel=parallel, bad={"3": 1}, huge=8, anomaly={})
    assert re.findall(r"UserWarning: (.*)", said) == [
        "step 3: the loss is nan; its update is skipped",
        *[f"step {step}: the loss is inf; its update is skipped" for step in (9, 10, 11, 12)],
        "went back from step 12 to the checkpoint of step 5",
        "step 8: its update came before everything was wrong; left out",
    ]
    [manifest] = list_runs()
    account = dt.account(manifest.id)
    account.check()
    assert account.leaves["skipped"] > 0
    assert account.leaves["lost"] > 0


def test_fp16_overflows_are_skipped_in_silence_by_sharded_ranks(tmp_path: Path) -> None:
    """The step whose gradient is huge overflows at the first scale, so that its update ruins nothing."""
    said = ended(tmp_path, parallel="fsdp", precision="fp16", huge=8)
    assert "UserWarning" not in said
    [manifest] = list_runs()
    assert dt.account(manifest.id).leaves["skipped"] > 0


def test_a_run_that_stops_leaves_with_its_own_code_and_is_not_tried_again(tmp_path: Path) -> None:
    said = ended(tmp_path, code=65, bad={"3": 0, "4": 1}, anomaly={"skip": 1, "then": "stop"})
    assert "2 steps in a row went wrong: 3, 4; in the last one the loss is nan" in said
    assert "restarting" not in said
