"""Frames of a log as a source."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from drivetrain.core.errors import DataError
from drivetrain.data import DataSet, Log, labelled_frames
from drivetrain.data.ops.encode import Encode
from drivetrain.data.ops.resize import Resize
from drivetrain.data.ops.tag import Tag
from drivetrain.data.ops.take_every import TakeEvery
from drivetrain.data.pipeline import Frames, Shards, run


@pytest.fixture
def bare_log(small_log: Log) -> Log:
    """A log that is pictures alone."""
    streams = {"camera/front": small_log.streams["camera/front"]}
    return replace(small_log, streams=streams, intrinsics={})


def test_frames_come_by_time_with_what_the_log_tells_of_them(small_log: Log) -> None:
    opened = Frames(small_log).open()
    assert len(opened.items) == small_log.num_frames
    stamps = [cast(int, item.columns["t_ns"]) for item in opened.items]
    assert stamps == sorted(stamps)
    item = replace(opened.items[3], log=opened.log)
    assert (item.key, item.number, item.num_bytes, item.columns["width"]) == ("front-003", 3, 0, 160)
    np.testing.assert_array_equal(item.read("image"), small_log.cameras[0].read(3))


def test_pictures_without_poses_or_calibration_make_thumbnails(bare_log: Log, tmp_path: Path) -> None:
    steps = Frames(bare_log) | TakeEvery(8) | Resize((32, 18)) | Tag("early", "t_ns", below=bare_log.cameras[0].t_ns[5])
    made = run(steps | Encode(("image.jpg",)) | Shards(tmp_path / "thumbnails")).made
    assert isinstance(made, DataSet)
    assert [made.read(row).image.shape for row in range(len(made))] == [(18, 32, 3)] * 2
    assert [made.columns(row)["tags"] for row in range(2)] == [["early"], []]
    assert made.manifest.facts["dropped"] == {"TakeEvery": 14}
    assert [step.op for step in made.manifest.steps] == ["TakeEvery", "Resize", "Tag", "Encode"]


def test_labels_need_poses_and_calibration(bare_log: Log, small_log: Log, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no stream pose/front"):
        labelled_frames(bare_log, tmp_path / "out")
    with pytest.raises(DataError, match="has no intrinsics of camera/front"):
        labelled_frames(replace(small_log, intrinsics={}), tmp_path / "out")
    for focal in (0.0, math.nan, -200.0):
        lens = replace(small_log.intrinsics["camera/front"], fx=focal)
        with pytest.raises(DataError, match=f"gives camera/front focal lengths {focal:g}"):
            labelled_frames(replace(small_log, intrinsics={"camera/front": lens}), tmp_path / "out")
