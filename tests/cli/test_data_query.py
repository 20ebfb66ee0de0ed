from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from drivetrain.core.errors import DataError, UsageError


def test_samples_are_found_by_a_predicate_and_a_mistyped_column_is_told(
    verb: Callable[..., Result], small: str
) -> None:
    found = json.loads(verb("query", small, "speed_m_per_s > 1 and num_vehicles > 2", "--json").stdout)
    assert found["num_samples"] == 5
    assert list(found["samples"][0]) == ["key", "speed_m_per_s", "num_vehicles"]
    text = verb("query", small, "t_ns > 0", "--columns", "camera,light", "--limit", "2").stdout
    assert text.splitlines()[0].split() == ["key", "camera", "light"]
    assert text.splitlines()[-1] == "5 of 5 samples, 2 shown"
    with pytest.raises(UsageError, match="no column or slice 'speed'"):
        verb("query", small, "speed > 1")
    with pytest.raises(UsageError, match="--columns names nothing"):
        verb("query", small, "train", "--columns", "nothing")


def test_slices_are_added_listed_shown_and_compared(verb: Callable[..., Result], small: str) -> None:
    first = json.loads(verb("versions", small, "--json").stdout)[0]["version"]
    verb("slices", small, "add", "near", "num_vehicles > 2")
    assert "near and split" in verb("slices", small, "add", "near_train", "near and split = 'train'").stdout
    slices = json.loads(verb("slices", small, "--json").stdout)["slices"]
    assert [(each["name"], each["num_samples"]) for each in slices] == [("near", 5), ("near_train", 4)]
    assert "num_vehicles > 2" in verb("slices", small, "show", "near").stdout
    assert verb("query", small, "near_train").stdout.endswith("4 of 5 samples\n")
    assert len(verb("versions", small).stdout.splitlines()) == 3
    assert "slices: near, near_train" in verb("diff", f"{small}@{first}", small).stdout
    assert "no difference" in verb("diff", small, small).stdout
    assert json.loads(verb("diff", small, f"{small}@{first}", "--json").stdout)["added"] == 0
    for wrong in (["show", "far"], ["add", "x"], ["add", "train", "true"], ["add", "y", "zzz > 1"]):
        with pytest.raises(UsageError):
            verb("slices", small, *wrong)
    with pytest.raises(DataError, match="no version"):
        verb("query", small, "train", "--version", "abcdef")


def test_leaks_across_the_cut_stop_a_pipeline(verb: Callable[..., Result], small: str) -> None:
    with pytest.raises(DataError, match="1 pair of samples in different splits"):
        verb("leaks", small)
    assert "comes back" in verb("leaks", small, "--gap", "50ms").stdout
    parted = json.loads(verb("split", small, "--by", "time", "--held-out", "0.4", "--gap", "150ms", "--json").stdout)
    assert (parted["num_samples"], parted["num_left_out"]) == ({"train": 2, "held_out": 2}, 1)
    assert "comes back" in verb("leaks", small, "--gap", "150ms").stdout
    with pytest.raises(UsageError, match="held_out=2"):
        verb("split", small, "--by", "drive", "--held-out", "2")


def test_one_sample_and_one_frame_are_drawn(verb: Callable[..., Result], small: str, tmp_path: Path) -> None:
    text = verb("show", small, "--sample", "front-002", "--png", str(tmp_path / "s.png")).stdout
    assert json.loads(text)["key"] == "front-002"
    log = tmp_path / "drive.toml"
    log.write_text("duration_s = 0.3\nwidth = 64\nheight = 36\n")
    verb("show", str(log), "--frame", "1", "--png", str(tmp_path / "f.png"))
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in ("s.png", "f.png"))
    for wrong in (["--frame", "1"], ["--sample", "no-such"], ["--frame", "1", "--png", str(tmp_path / "x.png")]):
        with pytest.raises(UsageError):
            verb("show", small, *wrong)
