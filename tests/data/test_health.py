from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drivetrain.core.errors import ConfigError
from drivetrain.data import Log, SynthSpec, check, health_table, open_log, synth
from drivetrain.data.health import HealthReport
from drivetrain.data.log import Stream


def _report(**faults: object) -> HealthReport:
    return check(synth(SynthSpec(duration_s=6.0, **faults)))  # type: ignore[arg-type]


def _verdict(report: HealthReport, check_name: str, stream: str) -> str:
    return next(f.verdict for f in report.findings if f.check == check_name and f.stream.startswith(stream))


def _with_stamps(log: Log, name: str, t_ns: np.ndarray) -> Log:
    changed: Stream[object] = replace(log.streams[name], t_ns=t_ns.astype(np.int64))
    return replace(log, streams={**log.streams, name: changed})


def test_a_sound_drive_passes_every_check() -> None:
    report = _report()
    assert report.verdict == "ok"
    assert [round(stream.rate_hz) for stream in report.streams] == [10, 20, 100]
    assert report.offsets[0].median_ms == pytest.approx(8.0, abs=0.5)
    assert report.offsets[0].joined_pct == 100


@pytest.mark.parametrize("lag_ms", [-20.0, 5.0, 12.0])
def test_an_injected_lag_of_the_lidars_clock_is_found(lag_ms: float) -> None:
    offset = _report(lidar_lag_s=lag_ms / 1e3).offsets[0]
    assert offset.median_ms == pytest.approx(8.0 + lag_ms, abs=0.5)


def test_an_injected_lag_past_half_a_period_shows_in_the_phase() -> None:
    assert _report(lidar_lag_s=0.030).offsets[0].phase_ms == pytest.approx(38.0, abs=0.5)


def test_dropped_frames_are_counted_and_a_tenth_of_them_fails() -> None:
    report = _report(dropped_frames=(7, 8, 30))
    assert report.streams[0].num_dropped == 3
    assert report.streams[0].num_expected == 60
    assert report.streams[0].longest_gap_s == pytest.approx(0.3, abs=0.01)
    assert _verdict(report, "dropped", "camera") == "warn"
    assert _verdict(report, "dropped", "lidar") == "ok"
    assert _verdict(_report(dropped_frames=tuple(range(20, 30))), "dropped", "camera") == "fail"


def test_jitter_is_measured() -> None:
    report = _report(jitter_s=0.01)
    assert report.streams[0].jitter_ms > 10
    assert _verdict(report, "jitter", "camera") == "warn"


def test_poses_that_are_not_finite_are_named() -> None:
    report = _report(nan_poses=(4,))
    finding = next(f for f in report.findings if f.check == "poses")
    assert finding.verdict == "warn"
    assert "(004)" in finding.text


def test_time_going_backwards_or_standing_fails_and_few_repeated_stamps_warn() -> None:
    log = synth(SynthSpec(duration_s=6.0))
    backwards = log.streams["camera/front"].t_ns.copy()
    backwards[[10, 11]] = backwards[[11, 10]]
    assert _verdict(check(_with_stamps(log, "camera/front", backwards)), "stamps", "camera") == "fail"
    repeated = log.streams["camera/front"].t_ns.copy()
    repeated[10] = repeated[9]
    report = check(_with_stamps(log, "camera/front", repeated))
    assert _verdict(report, "stamps", "camera") == "warn"
    assert report.streams[0].num_duplicates == 1
    standing = np.full_like(repeated, repeated[0])
    assert _verdict(check(_with_stamps(log, "camera/front", standing)), "stamps", "camera") == "fail"


def test_sensors_that_were_never_on_together_fail() -> None:
    log = synth(SynthSpec(duration_s=6.0))
    report = check(_with_stamps(log, "lidar/top", log.streams["lidar/top"].t_ns + 10**13))
    assert report.verdict == "fail"
    assert _verdict(report, "offset", "camera") == "fail"


@pytest.mark.parametrize("num_messages", [0, 1, 2])
def test_streams_of_few_messages_can_be_checked(num_messages: int) -> None:
    log = synth(
        SynthSpec(duration_s=num_messages / 10, lidar_phase_s=0.0)
        if num_messages
        else SynthSpec(dropped_frames=tuple(range(110)))
    )
    assert len(log.cameras[0]) == num_messages
    assert check(log).streams[0].num_messages == num_messages


def test_the_table_says_what_is_wrong_and_the_json_is_plain() -> None:
    report = _report(dropped_frames=(7,))
    assert "warn  camera/front: 1 of 60 messages are missing" in health_table(report)
    assert report.to_json()["verdict"] == "warn"


def test_a_drive_with_faults_is_described_by_a_file_and_they_are_found(tmp_path: Path) -> None:
    file = tmp_path / "street.toml"
    file.write_text("duration_s = 4.0\nlidar_lag_s = 0.015\ndropped_frames = [10, 11]\n")
    report = check(open_log(file))
    [camera] = [stream for stream in report.streams if stream.name == "camera/front"]
    assert camera.num_dropped == 2


def test_a_wrong_key_in_a_drive_s_file_gets_the_nearest_right_one(tmp_path: Path) -> None:
    file = tmp_path / "street.toml"
    file.write_text("lidar_lag = 0.015\n")
    with pytest.raises(ConfigError, match="unknown key lidar_lag") as caught:
        open_log(file)
    assert caught.value.hint == "did you mean lidar_lag_s?"
