"""4 -> 2 -> 3 ranks with restarts in between, ddp -> fsdp -> ddp: the samples of each step are those of one rank."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from drivetrain.launch import Launcher, LaunchSpec
from drivetrain.store import create_run

SCRIPT = Path(__file__).resolve().parents[1] / "train" / "moving_training.py"
TOLERANCE = 1e-4  # relative, of the loss after 24 steps: sums are made in another order


def steps_of(folder: Path, stages: list[tuple[int, str, int]]) -> dict[int, tuple[list[int], float]]:
    """Samples, in order, and mean loss of each step of one run that is launched with these (ranks, parallel, until)."""
    run = create_run(["train"], stages[0][0])
    found: dict[int, list[tuple[list[int], float]]] = {}
    for num_ranks, parallel, until in stages:
        printed: dict[int, bytes] = {}

        def keep(rank: int, stream: str, chunk: bytes, printed: dict[int, bytes] = printed) -> None:
            if stream == "stdout":
                printed[rank] = printed.get(rank, b"") + chunk

        command = (sys.executable, str(SCRIPT), str(until), parallel, str(num_ranks))
        spec = LaunchSpec(command=command, num_ranks=num_ranks, restarts=0, cwd=folder, env={"OMP_NUM_THREADS": "1"})
        outcome = Launcher(spec, run, output=keep).run()
        assert outcome.exit_code == 0, outcome
        for rank in range(num_ranks):
            for step, positions, loss in map(json.loads, printed[rank].splitlines()):
                found.setdefault(step, []).append((positions, loss))
    return {
        step: ([at for positions, _ in parts for at in positions], sum(loss for _, loss in parts) / len(parts))
        for step, parts in found.items()
    }


@pytest.mark.usefixtures("warm_nurseries")
def test_a_run_that_moves_takes_the_samples_of_one_rank_at_each_step_and_its_losses(tmp_path: Path) -> None:
    alone = steps_of(tmp_path, [(1, "single", 24)])
    moved = steps_of(tmp_path, [(4, "ddp", 8), (2, "fsdp", 16), (3, "ddp", 24)])
    assert sorted(moved) == sorted(alone) == list(range(24))
    for step, (positions, loss) in alone.items():
        assert moved[step][0] == positions == list(range(12 * step, 12 * step + 12))
        assert moved[step][1] == pytest.approx(loss, rel=TOLERANCE)
