from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from drivetrain.core.errors import DataError, SampleError, StoreError, UsageError
from drivetrain.data import (
    CLASSES,
    DataSet,
    Log,
    SynthSpec,
    baselines,
    build_dataset,
    confusion,
    contact_sheet,
    decode_jpeg,
    iou_per_class,
    mean_iou,
    synth,
)


def test_equal_logs_give_equal_bytes(tmp_path: Path, small_log: Log, small_dataset: DataSet) -> None:
    again = build_dataset(small_log, tmp_path / "again", size=(64, 36), threads=1)
    assert again.manifest == small_dataset.manifest
    for name in small_dataset.manifest.files:
        assert (again.path / name).read_bytes() == (small_dataset.path / name).read_bytes()


def test_any_tool_reads_the_shards_and_the_index_points_into_them(small_dataset: DataSet) -> None:
    with tarfile.open(small_dataset.path / "shard-00000.tar") as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        assert all(member.mtime == 0 for member in tar)
    assert len(members) == 2 * len(small_dataset)
    sample = small_dataset.read(3)
    np.testing.assert_array_equal(decode_jpeg(members[f"{sample.key}.image.jpg"], where="tar"), sample.image)


def test_splits_are_by_time(small_dataset: DataSet) -> None:
    assert small_dataset.manifest.num_samples == {"train": 12, "held_out": 4}
    t_ns = [[s.t_ns for s in small_dataset.samples(split)] for split in ("train", "held_out")]
    assert sorted(t_ns[0] + t_ns[1]) == t_ns[0] + t_ns[1]
    with pytest.raises(UsageError, match="'test'"):
        small_dataset.rows("test")


def test_ranks_can_share_a_split(small_dataset: DataSet) -> None:
    parts = [[s.key for s in small_dataset.samples("train", start=rank, step=3)] for rank in range(3)]
    assert sorted(key for part in parts for key in part) == [s.key for s in small_dataset.samples("train")]


def test_frames_with_a_lost_pose_are_left_out_and_named(tmp_path: Path) -> None:
    log = synth(SynthSpec(duration_s=0.8, width=80, height=45, nan_poses=(2,)))
    dataset = build_dataset(log, tmp_path / "out", size=(32, 18))
    assert len(dataset) == 7
    assert "not finite" in dataset.manifest.facts["skipped"]["front-002"]
    assert "front-002" not in dataset.index["key"].to_pylist()


def test_frames_and_sweeps_that_never_arrived_change_no_other_sample(tmp_path: Path) -> None:
    spec = {"duration_s": 0.8, "width": 80, "height": 45}
    whole = build_dataset(synth(SynthSpec(**spec)), tmp_path / "whole", size=(32, 18))  # type: ignore[arg-type]
    log = synth(SynthSpec(**spec, dropped_frames=(3,), dropped_sweeps=(10, 11)))  # type: ignore[arg-type]
    less = build_dataset(log, tmp_path / "less", size=(32, 18))
    by_key = {whole.key(row): row for row in range(len(whole))}
    assert len(less) == 7
    for row in range(len(less)):
        sample = less.read(row)
        same = whole.read(by_key[sample.key])
        np.testing.assert_array_equal(sample.image, same.image)
        assert sample.t_ns == same.t_ns
        assert np.array_equal(sample.label, same.label) == (sample.key != "front-005")  # its sweep was dropped


def test_a_name_that_is_taken_is_refused_and_kept(dataset_copy: Path, small_log: Log) -> None:
    with pytest.raises(StoreError, match="exists already"):
        build_dataset(small_log, dataset_copy)
    assert DataSet.open(dataset_copy, verify=True)


def test_nothing_that_joins_is_an_error_with_the_numbers(tmp_path: Path, small_log: Log) -> None:
    with pytest.raises(DataError, match=r"within 1\.00 us \(16 frames, 32 labelled sweeps\)"):
        build_dataset(small_log, tmp_path / "out", tolerance_ns=1000)


@pytest.mark.parametrize("wrong", [{"held_out": 1.0}, {"held_out": -0.1}, {"size": (0, 5)}, {"threads": 0}])
def test_settings_out_of_range_are_refused(tmp_path: Path, small_log: Log, wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=str(next(iter(wrong)))):
        build_dataset(small_log, tmp_path / "out", **wrong)  # type: ignore[arg-type]


def test_images_that_memory_would_not_hold_are_refused(tmp_path: Path, small_log: Log) -> None:
    with pytest.raises(UsageError, match="images of 99999x99999 pixels are too large"):
        build_dataset(small_log, tmp_path / "made", size=(99999, 99999))
    assert not (tmp_path / "made").exists()


def test_progress_reaches_every_frame(tmp_path: Path) -> None:
    log = synth(SynthSpec(duration_s=0.4, width=64, height=36))
    seen: list[int] = []
    build_dataset(log, tmp_path / "out", size=(32, 18), on_progress=lambda done, note: seen.append(done))
    assert seen == list(range(1, log.num_frames + 1))


@pytest.mark.parametrize("name", ["shard-00000.tar", "index-00000.arrow"])
def test_a_missing_cut_or_altered_file_is_named(dataset_copy: Path, name: str) -> None:
    file = dataset_copy / name
    data = file.read_bytes()
    file.write_bytes(data[:2000] + bytes([data[2000] ^ 255]) + data[2001:])
    with pytest.raises(DataError, match=f"{name} was altered"):
        DataSet.open(dataset_copy, verify=True)
    file.write_bytes(data[:-1])
    with pytest.raises(DataError, match=f"{name} has {len(data) - 1} bytes; the manifest says {len(data)}"):
        DataSet.open(dataset_copy)
    file.unlink()
    with pytest.raises(DataError, match=f"{name} is missing"):
        DataSet.open(dataset_copy)


def test_what_is_no_data_set_is_said(tmp_path: Path, dataset_copy: Path) -> None:
    with pytest.raises(DataError, match="no data set at"):
        DataSet.open(tmp_path / "nowhere")
    manifest = dataset_copy / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text.replace('"format": 2', '"format": 9'))
    with pytest.raises(DataError, match="format 9"):
        DataSet.open(dataset_copy)
    manifest.write_text(text[:50])
    with pytest.raises(DataError, match=r"manifest\.json is not a data set's manifest"):
        DataSet.open(dataset_copy)


def test_one_flipped_byte_in_a_sample_is_noticed_when_it_is_read(dataset_copy: Path) -> None:
    dataset = DataSet.open(dataset_copy)
    for part, place in dataset.locate(2).items():
        offset, size = place.offset, place.size_bytes
        shard = dataset_copy / "shard-00000.tar"
        data = bytearray(shard.read_bytes())
        data[offset + size // 2] ^= 1
        shard.write_bytes(data)
        with pytest.raises(SampleError, match=f"{part} of front-002 is damaged"):
            dataset.read(2)
        data[offset + size // 2] ^= 1
        shard.write_bytes(data)
    assert dataset.read(2).key == "front-002"


def test_mean_iou_leaves_out_classes_that_are_nowhere_and_pixels_without_label() -> None:
    label = np.array([[0, 0, 1, 255]], np.uint8)
    guess = np.array([[0, 1, 1, 5]], np.uint8)
    counts = confusion(label, guess)
    assert counts.sum() == 3
    iou = iou_per_class(counts)
    assert iou[:2].tolist() == [0.5, 0.5]
    assert np.isnan(iou[2:]).all()
    assert mean_iou(counts) == 0.5
    assert mean_iou(np.zeros((8, 8), np.int64)) == 0.0


def test_a_wrong_prediction_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        confusion(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8))
    with pytest.raises(ValueError, match=r"0 \.\. 7; found 8"):
        confusion(np.zeros((1, 1), np.uint8), np.full((1, 1), 8, np.uint8))


def test_the_prior_beats_the_majority_and_truth_beats_both(small_dataset: DataSet) -> None:
    scores = baselines(small_dataset)
    assert 0 < scores["majority class"] < scores["per-pixel prior"] < 1
    perfect = np.zeros((len(CLASSES),) * 2, np.int64)
    for sample in small_dataset.samples("held_out"):
        perfect += confusion(sample.label, np.where(sample.label == 255, 0, sample.label).astype(np.uint8))
    assert mean_iou(perfect) == 1.0


def test_the_contact_sheet_shows_images_beside_labels(small_dataset: DataSet) -> None:
    sheet = contact_sheet(small_dataset, num_shown=3)
    assert sheet.shape == (2 * 36, 4 * 64, 3)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"text"])
def test_bytes_that_are_no_jpeg_are_named(data: bytes) -> None:
    with pytest.raises(SampleError, match=r"here\.jpg is not a whole JPEG"):
        decode_jpeg(data, where="here.jpg")


def test_tar_members_are_whole_blocks(small_dataset: DataSet) -> None:
    data = (small_dataset.path / "shard-00000.tar").read_bytes()
    assert len(data) % tarfile.RECORDSIZE == 0
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert len(tar.getnames()) == 2 * len(small_dataset)


def test_no_sweep_lends_its_labels_to_both_sides_of_the_split(tmp_path: Path) -> None:
    spec = SynthSpec(duration_s=3.0, camera_hz=10.0, lidar_hz=5.0, lidar_phase_s=0.05)
    dataset = build_dataset(synth(spec), tmp_path / "street", size=(64, 36), held_out=0.3)
    sweeps = {
        split: {sample.t_ns + sample.lidar_offset_ns for sample in dataset.samples(split)}
        for split in ("train", "held_out")
    }
    assert sweeps["train"]
    assert sweeps["held_out"]
    assert max(sweeps["train"]) < min(sweeps["held_out"])
