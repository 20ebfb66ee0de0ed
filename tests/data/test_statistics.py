from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from drivetrain.cli.data import command
from drivetrain.core.errors import DataError
from drivetrain.data import DataSet
from drivetrain.data.sketch import Sketch
from drivetrain.data.statistics import compare_sketches, read_sketches, sketches_of, statistics_file, write_sketches


def test_a_data_set_is_summed_up_by_its_columns_pixels_and_classes(small_dataset: DataSet) -> None:
    sketches = sketches_of(small_dataset)
    assert sketches["lidar_offset_ns"].moments.count == len(small_dataset)
    assert 0 < sketches["image.jpg brightness"].quantile(0.5) < 255
    shares = [sketch.moments.mean for name, sketch in sketches.items() if name.endswith("_pct")]
    assert sum(shares) == pytest.approx(100)
    assert "t_ns" not in sketches


def test_statistics_are_stored_once_and_compared_without_reading_a_sample(dataset_copy: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(command, ["check", str(dataset_copy)]).exit_code == 0
    file = statistics_file(DataSet.open(dataset_copy))
    sketches = read_sketches(file)
    brighter = dict(sketches)
    brighter["image.jpg brightness"] = Sketch.of([200.0, 210.0])
    write_sketches(tmp_path / "live.json", brighter)
    [first, *others] = compare_sketches(sketches, brighter).items()
    assert first[0] == "image.jpg brightness"
    assert first[1].largest_gap == 1
    assert all(shift.largest_gap == 0 for _, shift in others)
    said = runner.invoke(command, ["compare", str(dataset_copy), str(tmp_path / "live.json")])
    assert said.exit_code == 0
    assert "moved" in said.output.splitlines()[1]
    assert "moved" not in said.output.splitlines()[2]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": 1}', b'{"a": {"count": "x"}}'])
def test_a_file_that_holds_no_sketches_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.json").write_bytes(content)
    with pytest.raises(DataError, match="has no sketches"):
        read_sketches(tmp_path / "odd.json")
    with pytest.raises(DataError, match="there are no statistics"):
        read_sketches(tmp_path / "absent.json")
