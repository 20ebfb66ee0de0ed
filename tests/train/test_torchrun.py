"""Ranks that plain torchrun started: one run for all of them, gone on with when torchrun restarts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import drivetrain as dt
from drivetrain.store import list_runs, open_run

SCRIPT = Path(__file__).with_name("tiny_training.py")


@pytest.mark.slow
def test_torchrun_makes_one_run_that_survives_its_restart(own_home: Path, tmp_path: Path) -> None:
    options = json.dumps({"steps": 8, "every": "2step", "digest": str(tmp_path / "digest")})
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=1"]
    with subprocess.Popen(
        [*command, str(SCRIPT), options],
        env=os.environ | {"DRIVETRAIN_FAULT": "kill:rank=1,step=5", "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    ) as torchrun:
        try:
            _, said = torchrun.communicate(timeout=80)
        finally:
            torchrun.terminate()  # it ends its ranks, which killing it would not
    assert torchrun.returncode == 0, said
    assert (tmp_path / "digest").exists()
    [manifest] = list_runs()
    assert manifest.num_ranks == 2
    journals = {path.name for path in open_run(manifest.id).journal.iterdir()}
    assert journals == {f"attempt-{attempt}.rank-{rank}.jsonl" for attempt in (0, 1) for rank in (0, 1)}
    assert '"k":"resume"' in (open_run(manifest.id).journal / "attempt-1.rank-0.jsonl").read_text()
    account = dt.account(manifest.id)
    account.check()
    assert account.leaves["lost"] > 0
