from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from drivetrain.core.errors import SampleError, StoreError, UsageError
from drivetrain.data import Log, SynthSpec, export_stream, open_log, synth
from drivetrain.data.log import Counted, Message, Stream

LOG = synth(SynthSpec(duration_s=0.3, width=32, height=18))
TWO_SWEEPS = synth(SynthSpec(duration_s=0.1, width=32, height=18))


def _log_of(stream: Stream[object]) -> Log:
    return Log("made", "made", lambda: "", {stream.name: stream}, {})


def test_numbers_are_a_row_a_message_and_a_column_a_field(tmp_path: Path) -> None:
    imu = LOG.streams["scalars/imu"]
    assert export_stream(LOG, imu.name, tmp_path / "imu.parquet") == len(imu) == 30
    table = pq.read_table(tmp_path / "imu.parquet")
    assert table.column_names == ["t_ns", *imu.fields]
    np.testing.assert_array_equal(table["t_ns"], imu.t_ns)
    assert imu.values is not None
    np.testing.assert_array_equal(np.stack([table[field] for field in imu.fields], axis=1), imu.values())


def test_a_pose_is_a_position_and_a_quaternion(tmp_path: Path) -> None:
    export_stream(LOG, "pose/front", tmp_path / "pose.parquet")
    row = pq.read_table(tmp_path / "pose.parquet").to_pylist()[2]
    pose = LOG.poses_of(LOG.cameras[0]).read(2)
    assert tuple(row.values()) == (int(LOG.cameras[0].t_ns[2]), *pose.position, *pose.heading)


def test_points_are_a_row_each_written_sweep_by_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivetrain.data.export._BYTES_OF_GROUP", 1)
    seen: list[int] = []
    export_stream(TWO_SWEEPS, "lidar/top", tmp_path / "points.parquet", on_progress=lambda done, _: seen.append(done))
    lidar = TWO_SWEEPS.lidar()
    with pq.ParquetFile(tmp_path / "points.parquet") as file:
        assert file.num_row_groups == len(lidar) == len(seen)
        last = file.read_row_group(len(lidar) - 1)
    np.testing.assert_array_equal(np.stack([last[axis] for axis in "xyz"], axis=1), lidar.read(len(lidar) - 1))
    assert set(last["t_ns"].to_pylist()) == {int(lidar.t_ns[-1])}


def test_boxes_are_a_row_each_and_what_is_unknown_is_null(tmp_path: Path, shared_data: Path) -> None:
    export_stream(LOG, "boxes/top", tmp_path / "boxes.parquet")
    boxes = LOG.streams["boxes/top"].read(0)
    row = pq.read_table(tmp_path / "boxes.parquet").to_pylist()[0]
    assert (row["track"], row["length"], row["velocity_x"]) == (  # type: ignore[index]
        boxes[0].track,  # type: ignore[index]
        boxes[0].size[0],  # type: ignore[index]
        boxes[0].velocity[0],  # type: ignore[index]
    )
    real = open_log(shared_data / "pandaset_002")
    assert export_stream(real, "boxes/top", tmp_path / "real.parquet") == 7068
    assert pq.read_table(tmp_path / "real.parquet")["velocity_x"].null_count == 7068


def test_lanes_keep_their_borders_as_lists(tmp_path: Path, shared_data: Path) -> None:
    log = open_log(shared_data / "commonroad_ngsim/USA_US101-4_1_T-1.xml")
    (stream,) = log.of_kind("lanes")
    assert export_stream(log, stream.name, tmp_path / "lanes.parquet") == 12
    row = pq.read_table(tmp_path / "lanes.parquet").to_pylist()[3]
    lane = stream.read(0)[3]  # type: ignore[index]
    assert row["left"] == lane.left_N2.tolist()
    assert row["successors"] == list(lane.successors)


def test_messages_and_classes_are_written_as_they_are(tmp_path: Path) -> None:
    messages = [Message("std/Text", "json", f'{{"n": {n}}}'.encode()) for n in range(3)]
    stream = Stream("message/text", "message", "", np.arange(3), messages.__getitem__, Counted(3), 3)
    export_stream(_log_of(stream), stream.name, tmp_path / "text.parquet")
    assert pq.read_table(tmp_path / "text.parquet").to_pylist()[2] == {
        "t_ns": 2,
        "schema": "std/Text",
        "encoding": "json",
        "data": b'{"n": 2}',
    }
    export_stream(TWO_SWEEPS, "point_labels/top", tmp_path / "classes.parquet")
    classes = np.concatenate([TWO_SWEEPS.streams["point_labels/top"].read(i) for i in range(2)])  # type: ignore[arg-type]
    np.testing.assert_array_equal(pq.read_table(tmp_path / "classes.parquet")["class"], classes)


def test_a_stream_without_messages_is_a_table_without_rows(tmp_path: Path) -> None:
    stream = Stream("boxes/none", "boxes", "world", np.empty(0, np.int64), [].__getitem__, (), 0)
    assert export_stream(_log_of(stream), stream.name, tmp_path / "none.parquet") == 0
    assert pq.read_table(tmp_path / "none.parquet").column_names[:3] == ["t_ns", "label", "track"]


def test_a_message_that_cannot_be_read_leaves_no_file(tmp_path: Path) -> None:
    def read(number: int) -> np.ndarray:
        if number == 2:
            raise SampleError("sweep 2 is damaged")
        return np.zeros((5, 3))

    stream = Stream("lidar/top", "lidar", "world", np.arange(3), read, Counted(3), 3)
    with pytest.raises(SampleError, match="sweep 2"):
        export_stream(_log_of(stream), stream.name, tmp_path / "points.parquet")
    assert not list(tmp_path.iterdir())


def test_images_and_streams_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="of images") as caught:
        export_stream(LOG, "camera/front", tmp_path / "x.parquet")
    assert "data convert" in caught.value.hint
    with pytest.raises(UsageError, match="no stream 'scalars/gps'") as caught:
        export_stream(LOG, "scalars/gps", tmp_path / "x.parquet")
    assert "scalars/imu" in caught.value.hint


def test_a_file_that_exists_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.parquet").write_text("mine")
    with pytest.raises(StoreError, match="exists already"):
        export_stream(LOG, "pose/ego", tmp_path / "mine.parquet")
    assert (tmp_path / "mine.parquet").read_text() == "mine"
