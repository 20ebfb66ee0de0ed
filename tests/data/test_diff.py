from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drivetrain.core.errors import DataError, UsageError
from drivetrain.data import (
    DataSet,
    Encoded,
    Log,
    add_column,
    append_samples,
    define_slice,
    delete_samples,
    open_log,
    write_dataset,
)
from drivetrain.data.codec import encode
from drivetrain.data.diff import diff
from drivetrain.data.drawing import draw_frame, draw_sample
from drivetrain.data.log import Box
from drivetrain.data.project import project


def _sample(number: int, content: bytes = b"x", **columns: object) -> Encoded:
    return Encoded(f"s{number}", {"a.bin": content}, {"n": float(number), **columns})


def test_a_difference_names_samples_columns_slices_and_statistics(tmp_path: Path) -> None:
    before = write_dataset(tmp_path / "x", [_sample(n) for n in range(5)], inputs={"log": "1"})
    after = append_samples(delete_samples(before, "n in (1, 3)"), [_sample(3, b"y"), _sample(9)], inputs={"more": "2"})
    after = define_slice(add_column(after, "speed", [1, 2, 3, 4, 5]), "slow", "speed < 3")
    found = diff(DataSet.open(tmp_path / "x", before.manifest.version), after)
    assert (found.added, found.removed, found.changed) == (1, 1, {"a.bin": 1})
    assert found.examples == {"added": ["s9"], "removed": ["s1"], "changed": ["s3"]}
    assert (found.columns_added, found.slices_changed, found.inputs_added) == (["speed"], ["slow"], ["more"])
    assert [step["op"] for step in found.steps] == ["delete", "append", "add_column", "define_slice"]
    numbers = {each.column: (each.before["mean"], each.after["mean"]) for each in found.numbers}
    assert numbers == {"n": (2.0, 3.6), "speed": (None, 3.0)}
    back = diff(after, before)
    assert (back.added, back.removed, back.columns_removed, back.steps) == (1, 1, ["speed"], [])
    assert diff(after, after).is_empty


def test_a_changed_column_is_a_change_of_the_sample_and_order_and_shards_are_none(tmp_path: Path) -> None:
    one = write_dataset(tmp_path / "one", [_sample(n, tags=["a"], w=float("nan")) for n in range(4)])
    two = write_dataset(tmp_path / "two", [_sample(n, tags=["a"], w=float("nan")) for n in (3, 1, 0)])
    three = append_samples(two, [_sample(2, tags=["b"], w=1.0)])
    assert diff(one, three).changed == {"tags": 1, "w": 1}
    assert (diff(one, two).added, diff(one, two).removed, diff(one, two).changed) == (0, 1, {})


def test_a_frame_is_drawn_with_points_where_they_are_projected_and_boxes_around_things(small_log: Log) -> None:
    picture = draw_frame(small_log, 4)
    plain = small_log.cameras[0].read(4)
    assert picture.shape == plain.shape
    changed = (picture != plain).any(axis=2)
    assert 0.05 < changed.mean() < 0.95
    lens, pose = small_log.intrinsics["camera/front"], small_log.poses_of(small_log.cameras[0]).read(4)
    box: Box = min(
        small_log.streams["boxes/top"].read(8),  # type: ignore[arg-type, call-overload]
        key=lambda b: abs(b.centre[0] - pose.position[0] - 15) + abs(b.centre[1]),
    )
    (uv,), (depth,) = project(np.array([box.centre]), pose, lens)
    assert depth > 0
    u, v = (round(float(value)) for value in uv)
    assert changed[max(v - 12, 0) : v + 12, max(u - 12, 0) : u + 12].any()
    with pytest.raises(DataError, match="has no frame 99"):
        draw_frame(small_log, 99)
    with pytest.raises(DataError, match="has no camera rear"):
        draw_frame(small_log, 0, camera="rear")


def test_a_real_frame_is_drawn_at_its_size(real_drive: Path) -> None:
    log = open_log(real_drive)
    picture, plain = draw_frame(log, 2), log.cameras[0].read(2)
    assert picture.shape == plain.shape == (1080, 1920, 3)
    assert 0.02 < (picture != plain).any(axis=2).mean() < 0.6


def test_samples_are_drawn_by_what_can_be_seen_of_them(small_dataset: DataSet, tmp_path: Path) -> None:
    assert draw_sample(small_dataset, 0).shape == (36, 3 * 64, 3)
    track = np.cumsum(np.ones((3, 10, 2)), axis=1)
    parts = {"track.npy": encode("track.npy", track), "one.npy": encode("one.npy", np.float64(1))}
    samples = [Encoded("a", parts), Encoded("b", {"x.bin": b""})]
    dataset = write_dataset(tmp_path / "tracks", samples)
    assert draw_sample(dataset, 0).shape == (480, 480, 3)
    assert len(np.unique(draw_sample(dataset, 0).reshape(-1, 3), axis=0)) > 3
    with pytest.raises(DataError, match=r"nothing of sample b can be drawn; its parts are x\.bin"):
        draw_sample(dataset, 1)
    assert dataset.row_of("b") == 1
    with pytest.raises(UsageError, match="no sample 'c'"):
        dataset.row_of("c")
