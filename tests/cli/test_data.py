from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from drivetrain.cli.data import command
from drivetrain.core.errors import DataError, UsageError
from drivetrain.data import DataSet


def test_ingest_makes_a_named_data_set_of_a_real_drive_once(
    verb: Callable[..., Result], shared_data: Path, own_home: Path
) -> None:
    log = str(shared_data / "pandaset_002")
    manifest = json.loads(verb("ingest", log, "--out", "drive", "--size", "64x36", "--json").stdout)
    assert manifest["num_samples"] == {"train": 44, "held_out": 12}
    assert len(DataSet.open(own_home / "datasets" / "drive")) == 56
    with pytest.raises(UsageError, match="exists already"):
        verb("ingest", log, "--out", "drive")


@pytest.mark.parametrize(
    ("option", "value"), [("--size", "256"), ("--size", "0x10"), ("--size", "ax b"), ("--tolerance", "soon")]
)
def test_an_option_that_cannot_be_read_is_a_usage_error(verb: Callable[..., Result], option: str, value: str) -> None:
    with pytest.raises(UsageError, match=option):
        verb("ingest", "synth", "--out", "x", option, value)


def test_check_prints_the_offset_between_the_sensors(verb: Callable[..., Result], shared_data: Path) -> None:
    text = verb("check", str(shared_data / "pandaset_002")).stdout
    assert "+49.8 ms from camera/front_camera" in text
    assert "verdict: warn" in text
    report = json.loads(verb("check", "synth", "--json").stdout)
    assert report["verdict"] == "ok"
    assert report["streams"][0]["num_messages"] == 110


def test_json_of_sensors_that_never_meet_has_null_and_not_nan(tmp_path: Path) -> None:
    apart = tmp_path / "apart.toml"
    apart.write_text("duration_s = 0.5\nlidar_lag_s = 50.0\n")
    result = CliRunner().invoke(command, ["check", str(apart), "--json"], standalone_mode=False)
    assert isinstance(result.exception, DataError)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    assert json.loads(result.stdout, parse_constant=refuse)["offsets"][0]["median_ms"] is None


def test_check_of_a_data_set_reads_every_byte(verb: Callable[..., Result], small: str, own_home: Path) -> None:
    assert "is whole" in verb("check", small).stdout
    shard = own_home / "datasets" / "small" / "shard-00000.tar"
    data = bytearray(shard.read_bytes())
    data[700] ^= 1
    shard.write_bytes(data)
    with pytest.raises(DataError, match="was altered"):
        verb("check", small)


def test_a_failed_check_is_an_error_after_the_report(
    verb: Callable[..., Result], shared_data: Path, tmp_path: Path
) -> None:
    import shutil

    drive = Path(shutil.copytree(shared_data / "pandaset_002", tmp_path / "drive"))
    for number in range(10, 25):
        (drive / f"camera/front_camera/{number}.jpg").unlink()
    with pytest.raises(DataError, match=r"15 of 60 messages are missing"):
        verb("check", str(drive))


def test_show_says_what_is_in_logs_and_data_sets(verb: Callable[..., Result], small: str, own_home: Path) -> None:
    streams = json.loads(verb("show", "synth", "--json").stdout)["streams"]
    assert streams["lidar/top"]["rate_hz"] == pytest.approx(20, abs=0.1)
    assert (streams["pose/ego"]["frame"], streams["lidar/top"]["kind"]) == ("world", "lidar")
    assert 10.9e9 < streams["lidar/top"]["last_ns"] - streams["lidar/top"]["first_ns"] < 11e9
    assert "4 train, 1 held_out" in verb("show", small).stdout
    assert "4 train, 1 held_out" in verb("show", str(own_home / "datasets" / "small")).stdout
    assert json.loads(verb("show", small, "--json").stdout)["width"] == 32


def test_show_lists_every_stream_of_a_log_that_has_no_camera(
    verb: Callable[..., Result], shared_data: Path, tmp_path: Path
) -> None:
    log = str(shared_data / "comma2k19_example")
    text = verb("show", log).stdout
    assert "2018-08-02 16:14:48.397 UTC" in text
    line = next(line for line in text.splitlines() if "scalars/wheel_speeds" in line)
    assert line.split() == [
        *("scalars/wheel_speeds", "scalars", "4974", "89.20", "Hz", "vehicle"),
        *("0.042", "s", "60.030", "s"),
    ]
    with pytest.raises(DataError, match="no camera to draw"):
        verb("show", log, "--png", str(tmp_path / "sheet.png"))


def test_export_writes_a_stream_once(verb: Callable[..., Result], shared_data: Path, tmp_path: Path) -> None:
    log, out = str(shared_data / "comma2k19_example"), tmp_path / "speeds.parquet"
    told = json.loads(verb("export", log, "scalars/wheel_speeds", str(out), "--json").stdout)
    assert (told["num_rows"], told["size_bytes"]) == (4974, out.stat().st_size)
    with pytest.raises(UsageError, match="exists already"):
        verb("export", log, "scalars/speed", str(out))
    with pytest.raises(UsageError, match="no stream"):
        verb("export", log, "scalars/height", str(tmp_path / "other.parquet"))


def test_show_writes_a_contact_sheet(verb: Callable[..., Result], small: str, tmp_path: Path) -> None:
    verb("show", small, "--png", str(tmp_path / "sheet.png"))
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_neither_log_nor_data_set_is_said(verb: Callable[..., Result]) -> None:
    with pytest.raises(DataError, match="there is no log at nowhere"):
        verb("show", "nowhere")


def test_convert_writes_a_recording_that_is_the_log_again_once(verb: Callable[..., Result], tmp_path: Path) -> None:
    short = tmp_path / "short.toml"
    short.write_text("duration_s = 0.11\nwidth = 64\nheight = 36\n")
    out = str(tmp_path / "out.mcap")
    written = json.loads(verb("convert", str(short), out, "--json").stdout)
    assert written["encoded"] == ["camera/front"]
    assert written["left_out"] == {}
    shown = {name: json.loads(verb("show", name, "--json").stdout) for name in (str(short), out)}
    assert shown[out]["streams"] == shown[str(short)]["streams"]
    assert shown[out]["intrinsics"] == shown[str(short)]["intrinsics"]
    with pytest.raises(UsageError, match="exists already"):
        verb("convert", str(short), out)
    with pytest.raises(UsageError, match=r"out\.bag"):
        verb("convert", str(short), str(tmp_path / "out.bag"))


def test_convert_says_what_it_wrote_and_what_it_could_not_read(
    verb: Callable[..., Result], shared_data: Path, tmp_path: Path
) -> None:
    bag = shared_data / "rosbag2_samples" / "rosbag2_tests" / "resources" / "mcap" / "cdr_test"
    text = verb("convert", str(bag), str(tmp_path / "out.mcap")).stdout
    assert "7 messages of 2 streams" in text
    assert " s  test_msgs/msg/Arrays" in verb("show", str(tmp_path / "out.mcap")).stdout
    assert (
        json.loads(verb("show", str(bag), "--json").stdout)["streams"]["/test_topic"]["schema"]
        == "test_msgs/msg/BasicTypes"
    )


def test_show_of_a_recording_that_was_cut_short_says_so(
    verb: Callable[..., Result], shared_data: Path, tmp_path: Path
) -> None:
    file = shared_data / "rosbag2_samples" / "rosbag2_tests" / "resources" / "mcap" / "cdr_test" / "cdr_test_0.mcap"
    (tmp_path / "cut.mcap").write_bytes(file.read_bytes()[:-200])
    text = verb("show", str(tmp_path / "cut.mcap")).stdout
    assert "/test_topic" in text
    assert "note: cut.mcap: the recording was cut short" in text


def test_ingest_says_where_its_time_went_and_a_second_run_finds_what_was_made(
    verb: Callable[..., Result], own_home: Path
) -> None:
    street = own_home.parent / "street.toml"
    street.write_text("duration_s = 0.6\nwidth = 64\nheight = 36\n")
    arguments = ["ingest", str(street), "--size", "32x18", "--threads", "1", "--memory", "64MiB"]
    text = verb(*arguments, "--out", "first", "--stages").stdout
    assert "under way of 64.0 MiB allowed" in text
    assert "bottleneck: " in text.splitlines()[-1]
    second = json.loads(verb(*arguments, "--out", "second", "--json").stdout)
    assert second["version"] == DataSet.open(own_home / "datasets" / "first").manifest.version
    stages = {stage["name"]: stage for stage in second["stages"]["stages"]}
    assert (stages["Encode"]["num_stored"], stages["Encode"]["num_in"]) == (6, 0)
    assert second["stages"]["advice"] == "all results were there already; only the writing was done"
    with pytest.raises(UsageError, match="--memory: '64' is not a size such as 512MiB"):
        verb(*arguments[:-1], "64", "--out", "third")


def test_a_file_that_defines_no_pipeline_is_refused(
    verb: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(UsageError, match="is no Python file"):
        verb("run", str(tmp_path / "absent.py"))
    (tmp_path / "nothing_in_it.py").write_text("pipeline = 3\n")
    with pytest.raises(UsageError, match="defines no `pipeline`"):
        verb("run", str(tmp_path / "nothing_in_it.py"))
    (tmp_path / "json.py").write_text("")
    with pytest.raises(UsageError, match="another module called json"):
        verb("run", str(tmp_path / "json.py"))
