from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from drivetrain.core.errors import DataError, SampleError
from drivetrain.data import DataSet, build_dataset, check, open_log
from drivetrain.data.log import Box

CAMERA = "camera/front_camera"
SIZE = (64, 36)


def _edit(file: Path, change: object) -> None:
    listed = json.loads(file.read_text())
    change(listed)  # type: ignore[operator]
    file.write_text(json.dumps(listed))


def test_fifty_six_of_sixty_frames_have_a_sweep_within_60_ms(shared_data: Path, tmp_path: Path) -> None:
    log = open_log(shared_data / "pandaset_002")
    dataset = build_dataset(log, tmp_path / "out")
    assert dataset.manifest.num_samples == {"train": 44, "held_out": 12}
    assert dataset.manifest.facts["num_unmatched"] == 4
    assert 57 < dataset.manifest.facts["labelled_pct"] < 66
    assert dataset.manifest.facts["unknown_classes"] == []
    train, held_out = (dataset.index["t_ns"].to_numpy()[dataset.rows(split)] for split in ("train", "held_out"))
    assert train.max() < held_out.min()
    assert np.abs(dataset.index["lidar_offset_ns"].to_numpy()).max() <= 60_000_000


def test_the_check_names_the_offset_between_the_sensors(shared_data: Path) -> None:
    report = check(open_log(shared_data / "pandaset_002"))
    assert report.verdict == "warn"
    assert report.offsets[0].median_ms == pytest.approx(50, abs=1)
    assert {stream.num_dropped for stream in report.streams} == {0}


def test_boxes_are_whole_values(real_drive: Path) -> None:
    boxes = open_log(real_drive).streams["boxes/top"].read(0)
    assert isinstance(boxes, tuple)
    assert isinstance(boxes[0], Box)
    assert boxes[0].label == "Car"
    assert boxes[0].size == (4.747, 1.888, 1.761)
    assert boxes[0].track == "e83d78e4-5b11-4ad5-ac71-917b5cd19c94"


def test_what_moves_looks_where_it_goes(shared_data: Path) -> None:
    boxes = open_log(shared_data / "pandaset_002").streams["boxes/top"]
    first, last = ({box.track: box for box in boxes.read(number)} for number in (0, 10))  # type: ignore[attr-defined]
    moved = {t: np.subtract(last[t].centre[:2], first[t].centre[:2]) for t in first if t in last}
    turned = [np.arctan2(d[1], d[0]) - first[t].yaw for t, d in moved.items() if np.hypot(*d) > 5]
    assert len(turned) > 5
    assert np.cos(turned).min() > 0.95


def test_a_drive_tells_where_on_earth_it_is(shared_data: Path) -> None:
    gps = open_log(shared_data / "pandaset_002").streams["scalars/gps"]
    assert gps.values is not None
    assert (len(gps), gps.fields[0]) == (80, "latitude_deg")
    assert gps.values()[0, :2] == pytest.approx([37.77609, -122.39932], abs=1e-5)


def test_published_pickles_give_the_points_of_the_parquet_files(real_drive: Path, shared_data: Path) -> None:
    published = shared_data / "pandaset_002" / "as_published"
    expected = open_log(real_drive).lidar().read(0)
    classes = open_log(real_drive).labels_of(open_log(real_drive).lidar()).read(0)
    for file in (real_drive / "lidar_parquet", real_drive / "annotations/semseg_parquet"):
        file.rename(file.with_name("gone"))
        for parquet in file.with_name("gone").iterdir():
            parquet.unlink()
        file.with_name("gone").rmdir()
    (real_drive / "annotations/cuboids.parquet").unlink()
    for part, place in (("lidar", "lidar"), ("semseg", "annotations/semseg"), ("cuboids", "annotations/cuboids")):
        (real_drive / place).mkdir(exist_ok=True)
        (real_drive / place / "00.pkl.gz").write_bytes((published / part / "00.pkl.gz").read_bytes())
    log = open_log(real_drive)
    np.testing.assert_allclose(log.lidar().read(0), expected, atol=1e-4)
    np.testing.assert_array_equal(log.labels_of(log.lidar()).read(0), classes)
    assert len(log.streams["boxes/top"].read(0)) == 113  # type: ignore[arg-type]
    assert len(build_dataset(log, real_drive / "out", size=SIZE, held_out=0)) == 2


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:9000])


def _replace_by_text(file: Path) -> None:
    file.write_bytes(b"no jpeg at all")


@pytest.mark.parametrize("damage", [_truncate, _replace_by_text])
@pytest.mark.parametrize("name", ["00.jpg", "03.jpg"])
def test_a_damaged_jpeg_is_left_out_and_named(real_drive: Path, tmp_path: Path, name: str, damage: object) -> None:
    damage(real_drive / CAMERA / name)  # type: ignore[operator]
    dataset = build_dataset(open_log(real_drive), tmp_path / "out", size=SIZE)
    assert len(dataset) == 7
    ((key, reason),) = dataset.manifest.facts["skipped"].items()
    assert key == f"front_camera-{name[:2]}"
    assert name in reason
    assert "JPEG" in reason


def test_a_pose_that_is_not_finite_is_left_out_and_found_by_the_check(real_drive: Path, tmp_path: Path) -> None:
    _edit(real_drive / CAMERA / "poses.json", lambda poses: poses[2]["position"].update(x=float("nan")))
    log = open_log(real_drive)
    assert list(build_dataset(log, tmp_path / "out", size=SIZE).manifest.facts["skipped"]) == ["front_camera-02"]
    finding = next(f for f in check(log).findings if f.check == "poses")
    assert finding.verdict == "fail"  # one of eight
    assert "02" in finding.text


def test_a_missing_sweep_costs_its_frames_only(real_drive: Path, tmp_path: Path) -> None:
    (real_drive / "lidar_parquet/02.parquet").unlink()
    dataset = build_dataset(open_log(real_drive), tmp_path / "out", size=SIZE)
    assert len(dataset) == 6
    assert dataset.manifest.facts["num_unmatched"] == 2


def test_missing_classes_of_a_sweep_cost_its_frames_only(real_drive: Path, tmp_path: Path) -> None:
    (real_drive / "annotations/semseg_parquet/04.parquet").unlink()
    assert build_dataset(open_log(real_drive), tmp_path / "out", size=SIZE).manifest.facts["num_unmatched"] == 2


def test_a_sweep_that_vanishes_or_breaks_after_opening_is_left_out(real_drive: Path, tmp_path: Path) -> None:
    log = open_log(real_drive)
    (real_drive / "lidar_parquet/00.parquet").write_bytes(b"PAR1 no more")
    dataset = build_dataset(log, tmp_path / "out", size=SIZE, max_bad_pct=50)
    assert set(dataset.manifest.facts["skipped"]) == {"front_camera-00", "front_camera-01"}
    assert "00.parquet" in dataset.manifest.facts["skipped"]["front_camera-00"]


def test_too_many_bad_frames_are_an_error_that_leaves_nothing_behind(real_drive: Path, tmp_path: Path) -> None:
    for name in ("01.jpg", "02.jpg"):
        _truncate(real_drive / CAMERA / name)
    with pytest.raises(DataError, match=r"2 of 8 frames .* the first is front_camera-01"):
        build_dataset(open_log(real_drive), tmp_path / "out", size=SIZE)
    assert not list(tmp_path.glob("out*"))


def test_a_log_without_classes_opens_but_makes_no_data_set(real_drive: Path, tmp_path: Path) -> None:
    for file in (real_drive / "annotations/semseg_parquet").iterdir():
        file.unlink()
    log = open_log(real_drive)
    assert check(log).log == "drive"
    with pytest.raises(DataError, match="no stream point_labels/top"):
        build_dataset(log, tmp_path / "out")


def test_classes_are_merged_by_name_not_number(real_drive: Path, tmp_path: Path) -> None:
    before = build_dataset(open_log(real_drive), tmp_path / "before", size=SIZE)
    import pyarrow as pa
    import pyarrow.parquet as pq

    _edit(
        real_drive / "annotations/semseg/classes.json", lambda c: c.update({str(101 - int(k)): c.pop(k) for k in [*c]})
    )
    for file in (real_drive / "annotations/semseg_parquet").iterdir():
        numbers = 101 - pq.read_table(file)["class"].to_numpy().astype(int)
        pq.write_table(pa.table({"class": numbers.astype(np.uint8)}), file)
    after = build_dataset(open_log(real_drive), tmp_path / "after", size=SIZE)
    for row in range(len(before)):
        np.testing.assert_array_equal(before.read(row).label, after.read(row).label)


def test_a_class_nobody_knows_is_named_in_the_manifest(real_drive: Path, tmp_path: Path) -> None:
    _edit(real_drive / "annotations/semseg/classes.json", lambda classes: classes.update({"7": "Lava"}))
    dataset = build_dataset(open_log(real_drive), tmp_path / "out", size=SIZE)
    assert dataset.manifest.facts["unknown_classes"] == ["Lava"]


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        (f"{CAMERA}/intrinsics.json", lambda d: d.update(fx="wide"), r"intrinsics.json .*fx"),
        (f"{CAMERA}/intrinsics.json", lambda d: d.pop("cy"), r"intrinsics.json .*cy"),
        (f"{CAMERA}/intrinsics.json", lambda d: d.update(fy=0.0), r"intrinsics.json has fx .*fy 0.0, .*above 0"),
        (f"{CAMERA}/poses.json", lambda d: d[3]["heading"].pop("w"), r"poses.json .*w.*\[3\]|poses.json .*w"),
        (f"{CAMERA}/poses.json", lambda d: d.pop(), r"poses.json has 79 entries.* has 80"),
        (f"{CAMERA}/timestamps.json", lambda d: d.__setitem__(4, float("nan")), r"entry 4 is nan"),
        (f"{CAMERA}/timestamps.json", lambda d: d.__setitem__(4, "noon"), r"timestamps.json .*\[4\]|timestamps.json"),
        ("lidar/timestamps.json", lambda d: d.__delitem__(slice(5, None)), r"06.parquet has no stamp"),
        ("annotations/semseg/classes.json", lambda d: d.update({"x": "Car"}), r"class 'x' is not a number"),
    ],
)
def test_a_wrong_list_is_one_clear_error(real_drive: Path, file: str, change: object, words: str) -> None:
    _edit(real_drive / file, change)
    with pytest.raises(DataError, match=words):
        open_log(real_drive)


@pytest.mark.parametrize(
    "file",
    [f"{CAMERA}/{name}.json" for name in ("intrinsics", "poses", "timestamps")] + ["annotations/semseg/classes.json"],
)
def test_a_missing_or_cut_list_is_named(real_drive: Path, file: str) -> None:
    (real_drive / file).write_text('{"fx": 19')
    with pytest.raises(DataError, match=Path(file).name):
        open_log(real_drive)
    (real_drive / file).unlink()
    with pytest.raises(DataError, match=Path(file).name):
        open_log(real_drive)


def test_a_list_nested_without_end_is_named(real_drive: Path) -> None:
    (real_drive / CAMERA / "poses.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"poses.json is not what PandaSet publishes"):
        open_log(real_drive)


def test_a_camera_or_lidar_without_files_is_named(real_drive: Path) -> None:
    for file in (real_drive / "lidar_parquet").iterdir():
        file.unlink()
    with pytest.raises(DataError, match="no lidar files"):
        open_log(real_drive)


def test_what_no_reader_takes_says_why_each_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no reader takes") as caught:
        open_log(tmp_path)
    assert "pandaset: it has no camera" in caught.value.hint
    with pytest.raises(DataError, match="there is no log at"):
        open_log(tmp_path / "nowhere")


def test_frames_of_every_camera_are_used(real_drive: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(real_drive / CAMERA, real_drive / "camera/back_camera")
    dataset = build_dataset(open_log(real_drive), tmp_path / "out", size=SIZE)
    assert len(dataset) == 16
    assert {key.rpartition("-")[0] for key in dataset.index["key"].to_pylist()} == {"front_camera", "back_camera"}


def test_a_column_that_is_missing_is_named(real_drive: Path) -> None:
    import pyarrow.parquet as pq

    file = real_drive / "lidar_parquet/00.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["z"]), file)
    with pytest.raises(SampleError, match=r"00.parquet has no column z"):
        open_log(real_drive).lidar().read(0)


def test_a_log_with_other_content_has_another_hash(real_drive: Path) -> None:
    before = open_log(real_drive).content_hash()
    assert open_log(real_drive).content_hash() == before
    _truncate(real_drive / CAMERA / "05.jpg")
    assert open_log(real_drive).content_hash() != before


def test_the_data_set_opens_again_and_reads_the_same(real_drive: Path, tmp_path: Path) -> None:
    dataset = build_dataset(open_log(real_drive), tmp_path / "out", size=SIZE)
    again = DataSet.open(tmp_path / "out", verify=True)
    np.testing.assert_array_equal(dataset.read(3).image, again.read(3).image)
    lens = again.read(3).intrinsics
    assert (lens.width, lens.height) == SIZE
    assert lens.fx == pytest.approx(1970.0131 * 64 / 1920)


def test_a_frame_is_also_there_as_the_jpeg_that_was_recorded(real_drive: Path) -> None:
    camera = open_log(real_drive).cameras[0]
    assert camera.jpeg is not None
    assert camera.jpeg(3) == (real_drive / "camera/front_camera/03.jpg").read_bytes()


def test_a_jpeg_that_claims_more_pixels_than_memory_holds_is_refused(real_drive: Path) -> None:
    file = real_drive / "camera/front_camera/03.jpg"
    data = bytearray(file.read_bytes())
    at = data.index(b"\xff\xc0") + 5  # height and width in the frame header
    data[at : at + 4] = b"\xff\xdc\xff\xdc"
    file.write_bytes(data)
    with pytest.raises(SampleError, match="claims 65500x65500 pixels"):
        open_log(real_drive).cameras[0].read(3)
