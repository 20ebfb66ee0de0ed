"""What decoded frames and sweeps tell: a turned camera, frozen and badly exposed sensors, labels at odds; bad input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.page import check_page

from drivetrain.core.errors import ConfigError, SampleError
from drivetrain.data import Log, SensorFaults, SynthSpec, Thresholds, check, load_thresholds, open_log, synth
from drivetrain.data.health import Finding, HealthReport
from drivetrain.data.health.alignment import alignment_finding, alignments_of
from drivetrain.data.health.calibration import calibration_findings
from drivetrain.data.health.content import content_findings
from drivetrain.data.health.labels import label_findings
from drivetrain.data.health.looks import Looks, look_into
from drivetrain.data.health.page import health_page
from drivetrain.data.health.thresholds import CalibrationLimits, ExposureLimits, LabelLimits, ValueLimits
from drivetrain.data.log import Box, Intrinsics, Stream

SMALL = {"width": 192, "height": 108, "duration_s": 2.0}


@pytest.fixture(scope="module")
def log() -> Log:
    return synth(SynthSpec(**SMALL))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def looks(log: Log) -> Looks:
    return look_into(log, 3)


def _one(found: list[Finding], check_name: str, stream: str = "") -> Finding:
    return next(f for f in found if f.check == check_name and f.stream.startswith(stream))


def _changed(log: Log, name: str, **changes: object) -> Log:
    stream: Stream[object] = replace(log.streams[name], **changes)  # type: ignore[arg-type]
    return replace(log, streams={**log.streams, name: stream})


def _turn(log: Log, looks: Looks) -> Finding:
    [alignment] = alignments_of(log, looks)
    return alignment_finding(alignment, CalibrationLimits())


def test_a_camera_that_looks_where_its_pose_says_is_not_blamed(log: Log, looks: Looks) -> None:
    finding = _turn(log, looks)
    assert finding.verdict == "ok"
    assert abs(finding.evidence["focal_long_pct"]) < 1.0


@pytest.mark.parametrize(
    ("yaw_deg", "pitch_deg", "verdict"), [(0.6, 0.0, "warn"), (-3.0, 0.0, "fail"), (0.0, 1.0, "warn")]
)
def test_a_turned_camera_is_found_and_measured(looks: Looks, yaw_deg: float, pitch_deg: float, verdict: str) -> None:
    turned = synth(SynthSpec(**SMALL, calibration_yaw_deg=yaw_deg, calibration_pitch_deg=pitch_deg))  # type: ignore[arg-type]
    finding = _turn(turned, looks)  # the same street and the same pictures, other poses
    assert finding.verdict == verdict
    assert finding.evidence["yaw_deg"] == pytest.approx(yaw_deg, abs=0.15)
    assert finding.evidence["pitch_deg"] == pytest.approx(pitch_deg, abs=0.15)


@pytest.mark.parametrize(
    ("focal", "yaw_deg", "verdict"), [(1.04, 0.0, "warn"), (0.9, 0.0, "fail"), (0.96, -0.8, "warn")]
)
def test_a_focal_length_that_is_off_is_found_and_measured(
    looks: Looks, focal: float, yaw_deg: float, verdict: str
) -> None:
    finding = _turn(synth(SynthSpec(**SMALL, calibration_focal=focal, calibration_yaw_deg=yaw_deg)), looks)  # type: ignore[arg-type]
    assert finding.verdict == verdict
    assert "the recorded focal length is" in finding.text
    assert finding.evidence["focal_long_pct"] == pytest.approx(100 * (focal - 1), abs=1.0)
    assert finding.evidence["yaw_deg"] == pytest.approx(yaw_deg, abs=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_on_any_street_a_turn_is_found_and_none_is_made_up(seed: int) -> None:
    for yaw_deg in (0.0, 0.4 * seed, -0.5 * seed):
        log = synth(SynthSpec(seed=seed, duration_s=3.0, calibration_yaw_deg=yaw_deg, lidar_lag_s=0.004 * seed))
        finding = _turn(log, look_into(log, 4))
        assert finding.evidence["yaw_deg"] == pytest.approx(yaw_deg, abs=0.12)
        assert (finding.verdict == "ok") == (yaw_deg == 0)


def test_points_of_a_real_drive_fall_where_the_camera_sees_their_things(real_drive: Path) -> None:
    log = open_log(real_drive)
    finding = _turn(log, look_into(log, 3))
    assert finding.verdict == "ok"


@pytest.mark.parametrize(
    ("numbers", "verdict"),
    [
        ({"fx": 0.0, "fy": 0.0}, "fail"),
        ({"fx": float("nan")}, "fail"),
        ({"fx": 20.0}, "warn"),
        ({"cx": -400.0}, "warn"),
        ({"width": 64}, "warn"),
        ({}, "ok"),
    ],
)
def test_a_camera_s_numbers_that_project_nothing_fail_and_odd_ones_warn(
    log: Log, looks: Looks, numbers: dict[str, float], verdict: str
) -> None:
    lens: Intrinsics = replace(log.intrinsics["camera/front"], **numbers)  # type: ignore[arg-type]
    odd = replace(log, intrinsics={"camera/front": lens})
    assert _one(calibration_findings(odd, looks), "intrinsics").verdict == verdict
    alignments_of(odd, looks)  # and nothing divides by them


def test_a_zero_focal_length_in_a_drive_s_file_is_a_finding(tmp_path: Path) -> None:
    file = tmp_path / "street.toml"
    file.write_text("duration_s = 1.0\ncalibration_focal = 0.0\n")
    report = check(open_log(file), num_looks=0)
    assert _one(list(report.findings), "intrinsics").verdict == "fail"
    assert health_page(open_log(file), report)


def test_frozen_dark_and_bright_cameras_are_found(log: Log, looks: Looks) -> None:
    limits = (ValueLimits(), ExposureLimits())
    found = content_findings(looks, *limits)
    assert {f.verdict for f in found} == {"ok"}
    camera = log.streams["camera/front"]
    still = look_into(_changed(log, "camera/front", read=lambda i: camera.read(0)), 2)
    assert _one(content_findings(still, *limits), "frozen", "camera").verdict == "fail"
    for factor in (0.0, 40.0):
        shown = [replace(frame, mean=min(255.0, frame.mean * factor)) for frame in looks.frames]
        assert _one(content_findings(replace(looks, frames=shown), *limits), "exposure").verdict == "fail"


def test_the_exposure_of_a_generated_camera_is_seen() -> None:
    dark = synth(SynthSpec(**SMALL, exposure=0.03))  # type: ignore[arg-type]
    no_lidar = replace(dark, streams={n: s for n, s in dark.streams.items() if s.kind == "camera"})
    assert _one(list(check(no_lidar, num_looks=2).findings), "exposure").verdict == "fail"


def test_points_that_are_not_finite_and_thin_sweeps_are_found(log: Log) -> None:
    lidar = log.streams["lidar/top"]
    points = np.asarray(lidar.read(0))
    spoilt = points.copy()
    spoilt[::50] = np.nan
    bare = {n: s for n, s in log.streams.items() if n == "lidar/top"}
    for made, verdict in ((spoilt, "warn"), (points[:0], "fail"), (points, "ok")):
        odd = _changed(replace(log, streams=bare), "lidar/top", read=lambda i, made=made: made)
        assert _one(content_findings(look_into(odd, 2), ValueLimits(), ExposureLimits()), "points").verdict == verdict


def test_boxes_agree_with_the_points_in_them_until_their_classes_are_swapped(log: Log, looks: Looks) -> None:
    limits = LabelLimits()
    assert {f.verdict for f in label_findings(log, looks, limits)} == {"ok"}
    swapped = [
        replace(sweep, boxes=tuple(replace(b, label="Building" if b.label == "Car" else b.label) for b in sweep.boxes))
        for sweep in looks.sweeps
    ]
    assert _one(label_findings(log, replace(looks, sweeps=swapped), limits), "boxes").verdict in ("warn", "fail")
    away = [
        replace(s, boxes=tuple(replace(b, centre=(b.centre[0], b.centre[1] + 0.5, 90.0)) for b in s.boxes))
        for s in looks.sweeps
    ]
    assert _one(label_findings(log, replace(looks, sweeps=away), limits), "boxes").verdict == "warn"


def test_a_thing_that_changes_its_class_is_named(log: Log) -> None:
    boxes = log.streams["boxes/top"]

    def read(index: int) -> tuple[Box, ...]:
        first, *rest = boxes.read(index)  # type: ignore[misc]
        return (replace(first, label="Bus" if index % 2 else first.label), *rest)

    finding = _one(label_findings(_changed(log, "boxes/top", read=read), Looks(), LabelLimits()), "tracks")
    assert finding.verdict == "warn"
    assert finding.evidence["num_flipped"] == 1


def test_messages_that_cannot_be_read_are_findings_and_stop_nothing(log: Log) -> None:
    def broken(index: int) -> object:
        raise SampleError(f"message {index} is cut short")

    for name in log.streams:
        if log.streams[name].kind != "scalars":
            report = check(_changed(log, name, read=broken), num_looks=1)
            kinds = {f.check for f in report.findings if f.verdict == "fail"}
            assert "readable" in kinds or log.streams[name].kind == "pixel_labels", name


@pytest.mark.parametrize("num_messages", [0, 1, 2])
def test_streams_of_no_one_or_two_messages_are_findings(log: Log, num_messages: int) -> None:
    short = {name: _cut(stream, num_messages) for name, stream in log.streams.items()}
    report = check(replace(log, streams=short), num_looks=2)
    assert (report.verdict == "fail") == (num_messages == 0)


def test_a_log_of_nothing_is_ok_and_says_so() -> None:
    report = check(Log("empty", "test", lambda: "", {}, {}))
    assert (report.verdict, report.findings) == ("ok", ())


def test_thresholds_come_from_a_file_and_a_wrong_key_gets_the_nearest(tmp_path: Path, log: Log) -> None:
    file = tmp_path / "limits.toml"
    file.write_text("[offset]\napart_warn_ms = 2.0\n\n[stamps]\njitter_warn_pct = 0.1\n")
    strict: HealthReport = check(log, thresholds=load_thresholds(file), num_looks=0)
    assert {f.check for f in strict.findings if f.verdict == "warn"} == {"offset", "jitter"}
    assert check(log, thresholds=Thresholds(), num_looks=0).verdict == "ok"
    file.write_text("[clock]\nlag_fail = 2.0\n")
    with pytest.raises(ConfigError, match=r"unknown key clock\.lag_fail"):
        load_thresholds(file)


def test_the_page_says_what_is_wrong_and_holds_its_pictures() -> None:
    log = synth(SynthSpec(duration_s=2.0, width=96, height=54, lidar=SensorFaults(lag_s=0.2), dropped_frames=(7,)))
    page = health_page(log, check(log, num_looks=1))
    assert "1 of 20 messages are missing" in page
    assert "data:image/jpeg;base64" in page
    assert "<script" not in page
    check_page(page)


def _cut(stream: Stream[object], num_messages: int) -> Stream[object]:
    values = stream.values
    return replace(
        stream,
        t_ns=stream.t_ns[:num_messages],
        labels=tuple(stream.labels)[:num_messages],
        values=None if values is None else lambda: values()[:num_messages],
    )
