"""The forecast recipe, run as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from drivetrain.store import open_run

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "forecast.py"


def forecast(*arguments: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(RECIPE), *arguments, "--json"], cwd=folder, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_it_scores_each_slice_beside_what_needs_no_learning(tmp_path: Path) -> None:
    (tmp_path / "short.toml").write_text("duration_s = 3.6\nwidth = 16\nheight = 9\n")
    result = forecast("short.toml", "--steps", "2", folder=tmp_path)
    assert {"all", "way: straight", "way: standing", "pace: steady"} <= set(result["slices"])
    for by_who in result["slices"].values():
        assert list(by_who) == ["constant velocity", "constant turn rate", "network, 1 mode", "network, 6 modes"]
        assert by_who["network, 6 modes"]["min_ade_m"] <= by_who["network, 1 mode"]["min_ade_m"]
    assert result["num_folds"] == 5
    assert json.loads((open_run("latest").kept / "results.json").read_text()) == result


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("recording", ["USA_US101-4_1_T-1", "USA_Lanker-1_1_T-1"])
def test_on_ngsim_it_beats_constant_velocity_on_vehicles_held_out(
    recording: str, tmp_path: Path, shared_data: Path
) -> None:
    result = forecast(str(shared_data / f"commonroad_ngsim/{recording}.xml"), folder=tmp_path)
    everything = result["slices"]["all"]
    assert result["horizon"]["future_s"] == 3.0
    for network in ("network, 1 mode", "network, 6 modes"):
        assert everything[network]["min_ade_m"] < everything["constant velocity"]["min_ade_m"]
