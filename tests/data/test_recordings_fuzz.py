"""Damaged recordings are read or refused: none crashes, hangs, or asks for more memory than there is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mcap.writer import CompressionType
from tests.data import fuzz_recordings
from tests.data.recordings import as_json, ros, write_db3, write_mcap

from drivetrain.data import encode_jpeg


def _seeds(folder: Path, shared_data: Path) -> list[Path]:
    """Small files of each kind: two of ours with pictures, points and poses, and some real ones."""
    picture = encode_jpeg(np.random.default_rng(0).integers(0, 255, (16, 24, 3), np.uint8))
    fields = [{"name": name, "offset": 4 * k, "datatype": 7, "count": 1} for k, name in enumerate("xyz")]
    cloud = {"height": 1, "width": 10, "fields": fields, "point_step": 12, "row_step": 120, "data": bytes(120)}
    uuids = {"format": "jpeg", "data": picture}
    topics = [
        (
            "/camera",
            "sensor_msgs/msg/CompressedImage",
            [(i, ros("sensor_msgs/msg/CompressedImage", uuids)) for i in range(3)],
        ),
        ("/lidar", "sensor_msgs/msg/PointCloud2", [(i, ros("sensor_msgs/msg/PointCloud2", cloud)) for i in range(3)]),
        ("/pose", "geometry_msgs/msg/PoseStamped", [(i, ros("geometry_msgs/msg/PoseStamped", {})) for i in range(9)]),
        ("/imu", "sensor_msgs/msg/Imu", [(i, ros("sensor_msgs/msg/Imu", {})) for i in range(9)]),
    ]
    plain = [(name, schema, "cdr", messages) for name, schema, messages in topics]
    plain.append(("/json", "", "json", [(i, as_json(a=[i, {"b": None}])) for i in range(9)]))
    files = [
        write_mcap(folder / f"{kind.name}.mcap", plain, compression=kind, chunk_size=1500) for kind in CompressionType
    ]
    files.append(write_mcap(folder / "plain.mcap", plain, use_chunking=False, enable_data_crcs=False))
    files.append(write_db3(folder / "bag.db3", topics))
    bags = shared_data / "rosbag2_samples" / "rosbag2_tests" / "resources"
    files += [bags / "mcap/cdr_test/cdr_test_0.mcap", bags / "sqlite3/cdr_test/cdr_test_0.db3"]
    conformance = shared_data / "mcap_conformance/tests/conformance/data/TenMessages"
    files += [conformance / "TenMessages-ch-chx-mx-rch-rsh-st-sum.mcap", conformance / "TenMessages.mcap"]
    return files


def _fuzz(folder: Path, shared_data: Path, *, seed: int, count: int, timeout_s: float) -> dict[str, float]:
    files = _seeds(folder, shared_data)
    command = [sys.executable, fuzz_recordings.__file__, str(folder), str(seed), str(count), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
    assert done.returncode == 0, done.stderr[-3000:]
    totals: dict[str, float] = json.loads(done.stdout)
    assert totals["whole"] + totals["refused"] == count * len(files)
    return totals


def test_damaged_recordings_are_read_or_refused(tmp_path: Path, shared_data: Path) -> None:
    totals = _fuzz(tmp_path, shared_data, seed=1, count=25, timeout_s=100)
    assert totals["read"] > 1000
    assert totals["refused"] > 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
def test_many_more_damaged_recordings_are_read_or_refused(tmp_path: Path, shared_data: Path, seed: int) -> None:
    totals = _fuzz(tmp_path, shared_data, seed=seed, count=150, timeout_s=100)
    assert min(totals["read"], totals["refused"]) > 10


def test_a_damaged_recording_is_damaged_the_same_way_again() -> None:
    import random

    data = bytes(range(256))
    once, again = (fuzz_recordings.damaged(data, random.Random("1 a 2")) for _ in range(2))
    assert once == again != data
