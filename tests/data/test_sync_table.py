from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.core.errors import DataError, UsageError
from drivetrain.data import Log
from drivetrain.data.log import Stream
from drivetrain.data.sync import (
    Match,
    SyncSpec,
    interpolate,
    interpolate_poses,
    missed,
    read_sync_table,
    slerp,
    sync_table,
    windows,
    write_sync_table,
)
from drivetrain.data.sync.table import spec_of

MS = 1_000_000
stamps = st.lists(st.integers(0, 400), max_size=30).map(lambda values: np.array(values, np.int64))
quaternions = st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1)


def _scalars(t_ns: np.ndarray, values_NF: np.ndarray) -> Stream[object]:
    return Stream(
        name="scalars/imu",
        kind="scalars",
        frame="vehicle",
        t_ns=t_ns,
        read=lambda i: values_NF[i],
        labels=[str(i) for i in range(len(t_ns))],
        num_listed=len(t_ns),
        fields=("yaw_rate_rad_per_s",),
        values=lambda: values_NF,
    )


def _turned(angle: float) -> list[float]:
    return [0, 0, 0, np.cos(angle / 2), 0, 0, np.sin(angle / 2)]


def test_numbers_between_two_messages_lie_on_the_line_and_gaps_are_not_bridged() -> None:
    t_ns, values = np.array([0, 10, 20, 60, 70]), np.array([[0.0], [1.0], [2.0], [6.0], [np.nan]])
    found = interpolate(np.array([-1, 0, 5, 20, 40, 60, 65, 71]), t_ns, values, tolerance_ns=10)
    np.testing.assert_equal(found.values_NF[:, 0], [np.nan, 0, 0.5, 2, np.nan, 6, np.nan, np.nan])
    assert found.num_missed == 4


def test_infinite_numbers_are_missed_without_a_warning() -> None:
    found = interpolate(
        np.array([5, 15]), np.array([0, 10, 20]), np.array([[np.inf], [np.inf], [1.0]]), tolerance_ns=10
    )
    assert found.num_missed == 2


@given(a=quaternions, b=quaternions, share=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_slerp_takes_the_shortest_arc_at_constant_turn(a: list[float], b: list[float], share: float) -> None:
    start, end = (np.array([q]) / np.linalg.norm(q) for q in (a, b))
    [between] = slerp(start, end, np.array([share]))
    whole = np.arccos(min(1.0, abs(float((start * end).sum()))))
    gone = np.arccos(min(1.0, abs(float((start @ between)[0]))))
    assert np.linalg.norm(between) == pytest.approx(1)
    assert gone == pytest.approx(share * whole, abs=2e-3)
    assert whole <= np.pi / 2 + 1e-9


def test_a_pose_half_way_is_half_turned_and_lost_poses_are_missed() -> None:
    poses = np.array([_turned(3.0), _turned(-3.0), [np.nan] * 7, [1, 2, 3, 0, 0, 0, 0]])
    poses[1, :3] = [2, 0, 0]
    found = interpolate_poses(np.array([5, 10, 15, 20, 30]), np.array([0, 10, 20, 30]), poses, tolerance_ns=10)
    assert found.values_NF[0, :3].tolist() == [1, 0, 0]
    yaw = 2 * np.arctan2(found.values_NF[0, 6], found.values_NF[0, 3])
    assert abs(yaw) == pytest.approx(np.pi)  # from 3.0 over pi to -3.0, not back through zero
    assert found.num_missed == 3


@given(query=stamps, reference=stamps, past=st.integers(0, 50), future=st.integers(0, 50))
def test_windows_hold_all_and_only_what_lies_around(
    query: np.ndarray, reference: np.ndarray, past: int, future: int
) -> None:
    around = windows(query, reference, past_ns=past, future_ns=future)
    for i, t in enumerate(query):
        found = reference[around.of(i)]
        assert found.tolist() == sorted({int(r) for r in reference if t - past <= r <= t + future})
    assert around.num_empty == sum(len(around.of(i)) == 0 for i in range(len(query)))


def test_a_table_joins_each_stream_in_its_own_way_and_counts_what_found_nothing(small_log: Log) -> None:
    frames_ns = small_log.cameras[0].t_ns
    imu_ns = np.arange(frames_ns[0], frames_ns[-1], 10 * MS)
    imu = _scalars(imu_ns, (imu_ns - imu_ns[0])[:, None] / 1e9)
    log = replace(small_log, streams={**small_log.streams, "scalars/imu": imu})
    spec = SyncSpec(
        "camera/front",
        {
            "lidar/top": Match("nearest", 20 * MS),
            "boxes/top": Match("as_of", 60 * MS),
            "scalars/imu": Match("interpolate", 20 * MS),
            "pose/front": Match("interpolate", 0),
            "point_labels/top": Match("window", 100 * MS, 50 * MS),
        },
    )
    table = sync_table(log, spec)
    assert table["t_ns"].to_numpy().tolist() == frames_ns.tolist()
    sweep, offset = table["lidar/top.index"][3].as_py(), table["lidar/top.offset_ns"][3].as_py()
    assert log.streams["lidar/top"].t_ns[sweep] - frames_ns[3] == offset
    assert table["boxes/top.index"][0].as_py() is None  # the first sweep comes 8 ms after the first frame
    at_s = (frames_ns[5] - imu_ns[0]) / 1e9
    assert table["scalars/imu.yaw_rate_rad_per_s"][5].as_py() == pytest.approx(at_s)
    assert table["pose/front.x_m"][2].as_py() == pytest.approx(log.streams["pose/front"].read(2).position[0])  # type: ignore[attr-defined]
    assert len(table["point_labels/top.index"][5].as_py()) == 3
    assert missed(table) == {
        "lidar/top": 0,
        "boxes/top": 1,
        "scalars/imu": table["scalars/imu.yaw_rate_rad_per_s"].null_count,
        "pose/front": 0,
        "point_labels/top": 0,
    }


def test_a_stored_table_comes_back_with_its_description(small_log: Log, tmp_path: Path) -> None:
    spec = SyncSpec.of(small_log, "lidar/top")
    table = sync_table(small_log, spec)
    write_sync_table(table, tmp_path / "table.arrow")
    again = read_sync_table(tmp_path / "table.arrow")
    assert again.equals(table)
    assert spec_of(again) == spec
    write_sync_table(sync_table(small_log, spec), tmp_path / "twice.arrow")
    assert (tmp_path / "twice.arrow").read_bytes() == (tmp_path / "table.arrow").read_bytes()


def test_what_is_no_sync_table_is_refused(small_log: Log, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no stream camera/back"):
        SyncSpec.of(small_log, "camera/back")
    with pytest.raises(UsageError, match="lidar/top of kind lidar cannot be interpolated"):
        sync_table(small_log, SyncSpec("camera/front", {"lidar/top": Match("interpolate")}))
    (tmp_path / "text").write_text("no table")
    write_sync_table(pa.table({"a": [1]}), tmp_path / "plain.arrow")
    for name, said in (
        ("text", "not an Arrow file"),
        ("plain.arrow", "no sync table"),
        ("absent", "not an Arrow file"),
    ):
        with pytest.raises(DataError, match=said):
            read_sync_table(tmp_path / name)
    with pytest.raises(ValueError, match="only a window looks ahead"):
        Match("nearest", 10, 10)
