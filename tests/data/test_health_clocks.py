"""Clocks that are off are found by how the vehicle moved, with the size of the fault; clocks that are right are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.data import Log, SensorFaults, SynthSpec, check, synth
from drivetrain.data.health import Finding, HealthReport
from drivetrain.data.health.grid import grid_period_ns
from drivetrain.data.health.regularity import stream_healths


def _checked(**faults: object) -> HealthReport:
    return check(synth(SynthSpec(**faults)), num_looks=0)  # type: ignore[arg-type]


def _finding(report: HealthReport, check_name: str, stream: str) -> Finding:
    return next(f for f in report.findings if f.check == check_name and f.stream == stream)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_clocks_that_are_right_are_not_blamed(seed: int) -> None:
    report = _checked(seed=seed, duration_s=5.0 + 3 * seed, jitter_s=0.0005 * (1 + seed % 2))
    assert report.verdict == "ok"


@pytest.mark.parametrize(("sensor", "name"), [("lidar", "lidar/top"), ("camera", "camera/front"), ("imu", "pose/ego")])
@pytest.mark.parametrize(("lag_ms", "seed"), [(7.0, 1), (-23.0, 2), (140.0, 3)])
def test_a_late_clock_is_named_and_measured(sensor: str, name: str, lag_ms: float, seed: int) -> None:
    report = _checked(seed=seed, duration_s=8.0, **{sensor: SensorFaults(lag_s=lag_ms / 1e3)})
    finding = _finding(report, "clock", name)
    assert finding.verdict == ("fail" if abs(lag_ms) > 50 and sensor != "imu" else "warn")
    assert finding.evidence["lag_ms"] == pytest.approx(lag_ms, abs=1.0)
    assert [f.stream for f in report.findings if f.check == "clock" and f.verdict != "ok"] == [name]


@pytest.mark.parametrize(("drift_ppm", "seed"), [(400.0, 0), (-900.0, 1), (1500.0, 2)])
def test_a_clock_that_runs_away_is_named_and_measured(drift_ppm: float, seed: int) -> None:
    report = _checked(seed=seed, lidar=SensorFaults(drift_ppm=drift_ppm))
    finding = _finding(report, "drift", "lidar/top")
    assert finding.verdict == "warn"
    assert finding.evidence["drift_ppm"] == pytest.approx(drift_ppm, abs=100)


@pytest.mark.parametrize(
    ("rate", "sensor", "name"),
    [
        (0.03, "camera", "camera/front"),
        (0.25, "lidar", "lidar/top"),
        (0.6, "lidar", "lidar/top"),
        (0.1, "imu", "pose/ego"),
    ],
)
def test_the_rate_of_drops_is_measured_and_the_lag_beside_it(rate: float, sensor: str, name: str) -> None:
    faults = {sensor: SensorFaults(drop_rate=rate, lag_s=0.011)}
    report = _checked(seed=7, **faults)
    finding = _finding(report, "dropped", name)
    assert finding.evidence["dropped_pct"] == pytest.approx(100 * rate, abs=1.0)
    assert finding.verdict == ("fail" if rate > 0.1 and sensor != "imu" else "warn")
    assert _finding(report, "clock", name).evidence["lag_ms"] == pytest.approx(11.0, abs=1.5)


def test_a_clock_that_the_camera_cannot_tell_is_told_by_one_that_it_can() -> None:
    faults = {"lidar": SensorFaults(lag_s=0.108), "camera": SensorFaults(drop_rate=0.51)}
    report = _checked(seed=370024, duration_s=22.0, camera_hz=30.0, lidar_hz=5.0, jitter_s=0.002, **faults)
    finding = _finding(report, "clock", "lidar/top")
    assert finding.evidence["lag_ms"] == pytest.approx(108.0, abs=2.0)
    assert finding.verdict == "fail"
    assert finding.evidence["told_by"] == "scalars/imu yaw_rate_rad_per_s, pose/top"


@pytest.mark.parametrize("rate", [0.0, 0.03, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("jitter_s", [0.0, 0.0005, 0.001, 0.002])
def test_half_of_a_fast_stream_is_missed_however_its_stamps_jitter(rate: float, jitter_s: float) -> None:
    log = synth(SynthSpec(seed=11, duration_s=15.0, jitter_s=jitter_s, imu=SensorFaults(drop_rate=rate)))
    found = next(health for health in stream_healths(log) if health.name == "pose/ego")
    assert found.is_periodic
    assert found.rate_hz == pytest.approx(100.0, rel=0.005)
    assert found.dropped_pct == pytest.approx(100 * rate, abs=0.5)


@given(st.integers(0, 2**32 - 1), st.integers(2, 300), st.sampled_from(["poisson", "bursts", "two periods"]))
@settings(max_examples=30, deadline=None)
def test_messages_that_come_when_they_like_miss_none(seed: int, num_messages: int, manner: str) -> None:
    rng = np.random.default_rng(seed)
    apart_ms = {
        "poisson": rng.exponential(20, num_messages),
        "bursts": np.where(np.arange(num_messages) % 4 == 0, rng.uniform(30, 50, num_messages), 0.2),
        "two periods": np.where(rng.random(num_messages) < 0.5, 9.0, 14.0) + rng.normal(0, 1.5, num_messages),
    }[manner]
    assert grid_period_ns(np.maximum(1, apart_ms * 1e6).astype(np.int64)) is None


def test_a_clock_that_is_set_ahead_or_back_in_the_middle_fails() -> None:
    for jump_s in (3600.0, -3600.0, -0.3):
        report = _checked(duration_s=6.0, lidar=SensorFaults(jump_at_s=3.0, jump_s=jump_s))
        finding = _finding(report, "stamps", "lidar/top")
        assert finding.verdict == "fail"
        assert "1 h" in finding.text or jump_s == -0.3
        assert next(s for s in report.streams if s.name == "lidar/top").num_dropped == 0


def test_a_pause_of_all_sensors_is_no_drop_of_any() -> None:
    log = synth(SynthSpec(duration_s=4.0))
    half = np.median(log.cameras[0].t_ns)
    report = check(_moved(log, lambda t_ns: np.where(t_ns > half, t_ns + 10 * 10**9, t_ns)), num_looks=0)
    assert _finding(report, "pause", report.streams[0].name).verdict == "warn"
    assert all(stream.num_dropped == 0 for stream in report.streams)


def test_messages_that_come_twice_are_counted() -> None:
    report = _checked(duration_s=4.0, camera=SensorFaults(duplicate_rate=0.05))
    assert report.streams[0].num_duplicates == 2
    assert _finding(report, "stamps", "camera/front").verdict == "warn"


def test_numbers_that_are_not_finite_and_a_frozen_sensor_are_found() -> None:
    spoilt = _checked(duration_s=4.0, imu=SensorFaults(nan_rate=0.03))
    assert _finding(spoilt, "finite", "scalars/imu").verdict == "warn"
    frozen = _finding(
        _checked(duration_s=6.0, imu=SensorFaults(frozen_at_s=2.0, frozen_s=1.5)), "frozen", "scalars/imu"
    )
    assert frozen.verdict == "warn"
    assert frozen.evidence["longest_s"] == pytest.approx(1.5, abs=0.05)
    assert frozen.evidence["start_s"] == pytest.approx(2.0, abs=0.05)


def test_a_vehicle_that_stands_still_says_nothing_of_its_clocks() -> None:
    log = synth(SynthSpec(duration_s=3.0))
    still = {name: stream for name, stream in log.streams.items() if stream.kind != "pose"}
    report = check(Log(log.name, log.source, log.content_hash, still, log.intrinsics), num_looks=0)
    assert not [f for f in report.findings if f.check == "clock" and f.verdict in ("warn", "fail")]


def _moved(log: Log, move) -> Log:  # type: ignore[no-untyped-def]
    from dataclasses import replace

    streams = {name: replace(stream, t_ns=move(stream.t_ns)) for name, stream in log.streams.items()}
    return replace(log, streams=streams)
