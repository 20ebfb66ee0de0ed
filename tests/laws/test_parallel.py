"""However a model is spread over ranks, it is the same training: losses, weights, averages, names and types."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

SCRIPT = Path(__file__).resolve().parents[1] / "train" / "parallel_training.py"
TOLERANCE = 2e-6  # float32 sums in another order, over five steps of AdamW


def train(folder: Path, num_ranks: int, *cases: dict[str, Any]) -> list[dict[str, Any]]:
    """What rank 0 found in each case."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, str(SCRIPT), str(num_ranks), str(folder), json.dumps(cases)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stderr, done.stderr
    return [torch.load(folder / f"{number}.pt") for number in range(len(cases))]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("alone")
        patch.setenv("DRIVETRAIN_HOME", str(folder / "home"))
        return train(folder, 1, {})[0]


def check_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found["is_user_type"]
    assert found["names"] == expected["names"]
    assert found["losses"] == pytest.approx(expected["losses"], abs=TOLERANCE)
    assert found["buffer"] == pytest.approx(found["mean_buffer"], abs=1e-7)  # the same on every rank
    assert found["alone"] == pytest.approx(expected["alone"], abs=TOLERANCE)
    for kind in ("weights", "averages"):
        assert list(found[kind]) == list(expected[kind])
        for name, value in expected[kind].items():
            torch.testing.assert_close(found[kind][name], value, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("num_ranks", "cases"),
    [
        (2, [{"parallel": "ddp"}, {"parallel": "fsdp", "microbatch": 2, "recompute": "full"}, {"parallel": "hsdp"}]),
        (3, [{"parallel": "ddp", "microbatch": 1}]),
        pytest.param(2, [{"parallel": "ddp", "microbatch": 2}, {"parallel": "fsdp"}], marks=pytest.mark.slow),
        pytest.param(3, [{"parallel": "fsdp"}], marks=pytest.mark.slow),
        pytest.param(
            4,
            [{"parallel": "hsdp"}, {"parallel": {"wrap": ["Block"], "reshard": 2}, "microbatch": 1}],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_same_global_batch_gives_the_same_training(
    tmp_path: Path, alone: dict[str, Any], num_ranks: int, cases: list[dict[str, Any]]
) -> None:
    for found in train(tmp_path / "ranks", num_ranks, *cases):
        check_same(found, alone)
