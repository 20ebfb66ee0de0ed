from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.core.errors import DataError, UsageError
from drivetrain.data import DataSet, Encoded, delete_samples, split_samples, write_dataset
from drivetrain.data.arrays import Bytes
from drivetrain.data.codec import encode
from drivetrain.data.image_hash import image_hash
from drivetrain.data.leaks import close_pairs, find_leaks, refuse_leaks
from drivetrain.data.splits import LEFT_OUT, SplitBy, split

HASHES = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 15), max_size=12)


def _scene(seed: int) -> Bytes:
    """A smooth picture of its own."""
    small = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return np.asarray(cv2.resize(small, (64, 48), interpolation=cv2.INTER_CUBIC), np.uint8)


def _distance(a: int, b: int) -> int:
    return ((a ^ b) & (2**64 - 1)).bit_count()


def test_an_image_that_was_changed_a_little_has_nearly_the_same_hash_and_another_scene_has_not() -> None:
    for seed in range(20):
        image = _scene(seed)
        noise = np.random.default_rng(seed).normal(0, 2, image.shape)
        for alike in (
            np.clip(image + noise, 0, 255).astype(np.uint8),
            (image * 0.8).astype(np.uint8),
            np.asarray(cv2.resize(image, (32, 24), interpolation=cv2.INTER_AREA), np.uint8),
        ):
            assert _distance(image_hash(image), image_hash(alike)) <= 4
        assert _distance(image_hash(image), image_hash(_scene(seed + 100))) > 10


@settings(max_examples=60, deadline=None)
@given(first=HASHES, second=HASHES, most_bits=st.integers(0, 5))
def test_close_pairs_are_all_pairs_that_are_close(first: list[int], second: list[int], most_bits: int) -> None:
    second = second + [value ^ 0b1001 for value in first[:4]]
    found = list(close_pairs(np.array(first, np.uint64), np.array(second, np.uint64), most_bits))
    truth = {
        (i, j, _distance(a, b))
        for i, a in enumerate(first)
        for j, b in enumerate(second)
        if _distance(a, b) <= most_bits
    }
    assert len(found) == len(truth)
    assert set(found) == truth


def test_many_equal_hashes_are_compared_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivetrain.data.leaks._MOST_PAIRS", 10)
    assert len(list(close_pairs(np.zeros(20, np.uint64), np.zeros(7, np.uint64), 1))) == 140


def _drive(number: int, t_s: float, where: str, scene: int, *, with_hash: bool = True) -> Encoded:
    image = _scene(scene)
    columns: dict[str, object] = {"split": where, "t_ns": round(t_s * 1e9), "log": f"drive{scene // 1000}"}
    parts = {"image.jpg": encode("image.jpg", image)}
    return Encoded(f"s{number}", parts, {**columns, "image_hash": image_hash(image)} if with_hash else columns)


def test_frames_across_the_cut_and_scenes_that_come_back_are_found(tmp_path: Path) -> None:
    samples = [
        _drive(0, 0, "train", 1),
        _drive(1, 10, "train", 2),
        _drive(2, 10.5, "held_out", 3),
        _drive(3, 50, "held_out", 1),
        _drive(4, 10.2, "held_out", 1004),  # at the same time, but of another drive
    ]
    dataset = write_dataset(tmp_path / "drives", samples)
    leaks = find_leaks(dataset)
    assert [(leak.kind, leak.first, leak.second) for leak in leaks] == [
        ("near_in_time", "s1", "s2"),
        ("near_duplicate", "s0", "s3"),
    ]
    assert leaks[0].distance == pytest.approx(0.5)
    assert [leak.kind for leak in find_leaks(dataset, gap_s=0.1)] == ["near_duplicate"]
    with pytest.raises(DataError, match=r"2 pairs of samples .* such as s1 \(train\) and s2 \(held_out\): 0.5 s apart"):
        refuse_leaks(dataset)


def test_without_a_column_of_hashes_the_images_are_looked_at(tmp_path: Path) -> None:
    samples = [_drive(0, 0, "train", 1, with_hash=False), _drive(1, 99, "held_out", 1, with_hash=False)]
    dataset = write_dataset(tmp_path / "drives", samples)
    assert [leak.kind for leak in find_leaks(dataset)] == ["near_duplicate"]


def test_a_data_set_without_leaks_passes(tmp_path: Path, small_dataset: DataSet) -> None:
    dataset = write_dataset(tmp_path / "x", [_drive(0, 0, "train", 1), _drive(1, 99, "held_out", 2)])
    refuse_leaks(dataset)
    assert find_leaks(write_dataset(tmp_path / "y", [Encoded("a", {}), Encoded("b", {}, {"split": "held_out"})])) == []
    assert {leak.kind for leak in find_leaks(small_dataset)} == {"near_in_time"}  # its cut has no gap


TIMES = st.lists(st.integers(0, 10**12), min_size=1, max_size=30)


@settings(max_examples=40, deadline=None)
@given(times=TIMES, held_out=st.sampled_from([0.0, 0.2, 0.5]), gap_s=st.sampled_from([0.0, 5.0]))
def test_held_out_by_time_is_what_comes_last(times: list[int], held_out: float, gap_s: float) -> None:
    t_ns, drives = np.array(times), ["a"] * len(times)
    words = split(SplitBy("time", held_out, gap_s=gap_s), drive_N=drives, t_N_ns=t_ns)
    train, held = t_ns[words == "train"], t_ns[words == "held_out"]
    if len(train) and len(held):
        assert held.min() - train.max() >= gap_s * 1e9
        assert held.min() > train.max()
    if not held_out:
        assert (words == "train").all()
    if not gap_s:
        assert LEFT_OUT not in words


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 99), order=st.permutations(range(24)))
def test_drives_stay_whole_and_the_order_of_samples_changes_nothing(seed: int, order: list[int]) -> None:
    drives = [f"d{number % 8}" for number in range(24)]
    words = split(SplitBy("drive", 0.4, seed=seed), drive_N=drives, t_N_ns=np.arange(24))
    for drive in set(drives):
        assert len({word for word, of in zip(words, drives, strict=True) if of == drive}) == 1
    mixed = split(SplitBy("drive", 0.4, seed=seed), drive_N=[drives[i] for i in order], t_N_ns=np.array(order))
    assert mixed.tolist() == words[order].tolist()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 99))
def test_no_training_sample_is_near_a_held_out_place(seed: int) -> None:
    xy_N2 = np.random.default_rng(seed).uniform(0, 600, (300, 2))
    by = SplitBy("place", 0.3, seed=seed, cell_m=100, margin_m=20)
    words = split(by, drive_N=["a"] * 300, t_N_ns=np.zeros(300, np.int64), xy_N2=xy_N2)
    train, held = xy_N2[words == "train"], xy_N2[words == "held_out"]
    cells = {tuple(cell) for cell in np.floor(held / 100).astype(int).tolist()}
    assert not cells & {tuple(cell) for cell in np.floor(train / 100).astype(int).tolist()}
    if len(train) and len(held):
        assert np.abs(train[:, None] - held[None]).max(axis=2).min() >= 20


def test_about_the_share_that_is_asked_for_is_held_out() -> None:
    drives = [f"drive-{number}" for number in range(2000)]
    words = split(SplitBy("drive", 0.2), drive_N=drives, t_N_ns=np.zeros(2000, np.int64))
    assert 0.17 < (words == "held_out").mean() < 0.23


def test_a_place_that_is_not_known_is_left_out_and_settings_out_of_range_are_refused() -> None:
    words = split(SplitBy("place"), drive_N=["a"], t_N_ns=np.zeros(1, np.int64), xy_N2=np.full((1, 2), np.nan))
    assert words.tolist() == [LEFT_OUT]
    with pytest.raises(ValueError, match="where samples are"):
        split(SplitBy("place"), drive_N=["a"], t_N_ns=np.zeros(1, np.int64))
    for wrong in ({"what": "colour"}, {"held_out": 1.0}, {"cell_m": 0}, {"gap_s": -1}, {"margin_m": 101}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            SplitBy(**wrong)  # type: ignore[arg-type]


def test_samples_are_parted_anew_in_a_version_of_its_own_unless_that_leaks(tmp_path: Path) -> None:
    samples = [_drive(n, n, "train", n + 1000 * (n % 4)) for n in range(40)]
    dataset = delete_samples(write_dataset(tmp_path / "drives", samples), [0])
    parted = split_samples(dataset, SplitBy("time", 0.25, gap_s=5))
    assert parted.manifest.num_samples == {"train": 25, "held_out": 10}
    assert len(parted.rows("train")) == 25
    assert parted.columns(28)["split"] is None
    assert dataset.rows("train").tolist() == list(range(39))
    by_drive = split_samples(parted, SplitBy("drive", 0.5, seed=3))
    logs = {where: {s.columns["log"] for s in by_drive.samples(where)} for where in ("train", "held_out")}
    assert logs["train"]
    assert logs["held_out"]
    assert not logs["train"] & logs["held_out"]
    assert len(DataSet.open(dataset.path, parted.manifest.version, verify=True).rows("held_out")) == 10
    with pytest.raises(UsageError, match="no column x_m and y_m to split by"):
        split_samples(by_drive, SplitBy("place"))


def test_a_split_with_the_same_scene_on_both_sides_is_refused(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "drives", [_drive(n, 10.0 * n, "train", 5) for n in range(10)])
    with pytest.raises(DataError, match=r"16 pairs of samples .* images differ in 0 of 64 bits"):
        split_samples(dataset, SplitBy("time", 0.2))
    assert DataSet.open(dataset.path).manifest == dataset.manifest
    assert split_samples(dataset, SplitBy("time", 0.2), allow_leaks=True).manifest.num_samples["held_out"] == 2
