from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drivetrain.core.errors import DataError
from drivetrain.data import open_log
from drivetrain.data.forecast import build_forecast

from .logs import log_of, steady, together


def _many(num: int, name: str = "made") -> list[tuple[float, list[object]]]:
    return together(*(steady(f"{name} {i}", y=5.0 * i, seconds=4.0) for i in range(num)))  # type: ignore[return-value]


def test_no_agent_is_in_two_folds_and_folds_are_even(tmp_path: Path) -> None:
    logs = [log_of(_many(7), name="one"), log_of(_many(7), name="two")]  # type: ignore[arg-type]
    dataset = build_forecast(logs, tmp_path / "set", num_folds=3)
    fold, track = dataset.index["fold"].to_numpy(), dataset.index["track"].to_numpy()
    assert all(len(set(fold[track == name])) == 1 for name in set(track))
    num_tracks = [len(set(track[fold == number])) for number in range(3)]
    assert sorted(num_tracks) == [2, 2, 3]
    again = build_forecast(logs, tmp_path / "again", num_folds=3)
    assert again.manifest.version == dataset.manifest.version


def test_a_sample_comes_back_as_it_was_made(tmp_path: Path) -> None:
    dataset = build_forecast([log_of(_many(2))], tmp_path / "set")  # type: ignore[list-item,arg-type]
    sample = dataset.read(0)
    shapes = {name: np.asarray(part).shape for name, part in sample.parts.items()}
    assert shapes == {"history.npy": (11, 5), "others.npy": (6, 5), "lanes.npy": (8, 10, 3), "future.npy": (30, 2)}
    assert {sample.columns[name] for name in ("way", "pace")} == {"straight", "steady"}
    assert dataset.manifest.facts["num_folds"] == 2


def test_too_few_agents_are_refused_with_what_was_left_out(tmp_path: Path) -> None:
    log = log_of(together(steady("a"), steady("b", y=9, seconds=2.0)))
    with pytest.raises(DataError, match=r"seen for 3.3 s without a gap: 1; .*1 x track that is too short"):
        build_forecast([log], tmp_path / "set")
    with pytest.raises(ValueError, match="num_folds is 1"):
        build_forecast([log], tmp_path / "set", num_folds=1)
    assert not (tmp_path / "set").exists()


def test_scenes_of_a_folder_do_not_meet(tmp_path: Path, shared_data: Path) -> None:
    log = open_log(shared_data / "commonroad_ngsim")
    short = {
        name: replace(stream, t_ns=stream.t_ns[:36], labels=stream.labels[:36]) for name, stream in log.streams.items()
    }
    dataset = build_forecast([replace(log, streams=short)], tmp_path / "set")
    scenes = set(dataset.index["scene"].to_pylist())
    assert len(scenes) == 2
    assert all(scene.startswith("commonroad_ngsim/USA_") for scene in scenes)
    for row in (0, len(dataset) - 1):
        assert np.isfinite(np.asarray(dataset.read(row).parts["others.npy"])).all()
        assert np.asarray(dataset.read(row).parts["lanes.npy"])[:, 0, 2].all()
