from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.data import Log, SynthSpec, build_dataset, open_log, synth
from drivetrain.data.arrays import Floats, Ints
from drivetrain.data.log import Box
from drivetrain.data.tags import (
    MANOEUVRES,
    Motion,
    count_boxes,
    cut_ins,
    density,
    light,
    manoeuvres,
    motion_from_poses,
    motion_from_speed,
    motion_of,
    tag_frames,
    tag_image,
)
from drivetrain.data.tags.around import is_pedestrian, is_vehicle

HZ = 20


def _stamps(duration_s: float) -> Ints:
    return np.round(np.arange(0, duration_s, 1 / HZ) * 1e9).astype(np.int64)


def _drive(duration_s: float, speed: Floats | float, yaw_rate: Floats | float) -> Motion:
    """A motion by speed and yaw rate, told by its poses."""
    t_ns = _stamps(duration_s)
    told = motion_from_speed(t_ns, np.broadcast_to(speed, t_ns.shape), np.broadcast_to(yaw_rate, t_ns.shape))
    xyz = np.column_stack([told.xy_N2, np.zeros(len(t_ns))])
    return motion_from_poses(t_ns, xyz, told.course_N)


def _seen(motion: Motion) -> set[str]:
    return {name for name, mask in manoeuvres(motion).items() if mask.any()}


@settings(max_examples=30, deadline=None)
@given(speed=st.floats(2, 40), yaw_rate=st.floats(-0.5, 0.5))
def test_poses_tell_speed_and_yaw_rate(speed: float, yaw_rate: float) -> None:
    motion = _drive(3, speed, yaw_rate)
    np.testing.assert_allclose(motion.speed_N_m_per_s, speed, rtol=0.01)
    np.testing.assert_allclose(motion.yaw_rate_N_rad_per_s, yaw_rate, atol=1e-6)
    np.testing.assert_allclose(motion.acceleration_N_m_per_s2[10:-10], 0, atol=0.02)


def test_order_repeats_and_lost_poses_change_nothing() -> None:
    motion = _drive(3, 8.0, 0.1)
    t_ns, xyz = motion.t_N_ns, np.column_stack([motion.xy_N2, np.zeros(len(motion))])
    mixed = np.random.default_rng(0).permutation(np.repeat(np.arange(len(t_ns)), 2))
    t_ns, xyz, yaw = np.append(t_ns[mixed], 5), np.vstack([xyz[mixed], [[np.nan] * 3]]), np.append(mixed * 0.005, 0.0)
    again = motion_from_poses(t_ns, xyz, yaw)
    np.testing.assert_allclose(again.speed_N_m_per_s, motion.speed_N_m_per_s)
    np.testing.assert_allclose(again.yaw_rate_N_rad_per_s, motion.yaw_rate_N_rad_per_s, atol=1e-9)


def test_a_motion_of_nothing_or_of_one_pose_says_nothing() -> None:
    for number in (0, 1, 2):
        motion = motion_from_poses(np.arange(number), np.zeros((number, 3)), np.zeros(number))
        assert _seen(motion) <= {"stop"}
        assert np.isnan(motion.yaw_rate_N_rad_per_s).all()


def test_a_corner_is_a_turn_and_a_bend_or_a_straight_road_is_none() -> None:
    assert _seen(_drive(8, 6.0, 0.3)) == {"turn_left"}
    assert _seen(_drive(8, 6.0, -0.3)) == {"turn_right"}
    assert _seen(_drive(8, 30.0, 0.06)) == set()
    assert _seen(_drive(8, 6.0, np.where(_stamps(8) < 1e9, 0.2, 0.0))) == set()
    assert _seen(_drive(8, 20.0, 0.0)) == set()


def test_standing_is_a_stop_and_only_strong_braking_is_hard() -> None:
    t_s = _stamps(10) / 1e9
    gentle = _drive(10, np.maximum(12 - 2.0 * np.maximum(t_s - 2, 0), 0), 0.0)
    hard = _drive(10, np.maximum(12 - 5.0 * np.maximum(t_s - 2, 0), 0), 0.0)
    assert _seen(gentle) == {"stop"}
    assert _seen(hard) == {"stop", "hard_brake"}
    masks = manoeuvres(hard)
    assert t_s[masks["hard_brake"]].min() == pytest.approx(2.0, abs=0.3)
    assert t_s[masks["hard_brake"]].max() == pytest.approx(4.4, abs=0.3)
    assert t_s[masks["stop"]].min() == pytest.approx(4.4, abs=0.3)


def _aside(duration_s: float, shift_m: float, takes_s: float, speed: float = 20.0) -> Motion:
    """Straight on, with a smooth shift to the left in the middle."""
    t_s = _stamps(duration_s) / 1e9
    part = np.clip((t_s - duration_s / 2) / takes_s + 0.5, 0, 1)
    y = shift_m * (part - np.sin(2 * np.pi * part) / (2 * np.pi))
    xyz = np.column_stack([speed * t_s, y, 0 * t_s])
    return motion_from_poses(_stamps(duration_s), xyz, np.arctan2(np.gradient(y, t_s), speed))


@settings(max_examples=12, deadline=None)
@given(takes_s=st.floats(3, 5.5), speed=st.floats(8, 35), side=st.sampled_from([-1, 1]))
def test_a_shift_by_a_lane_is_a_lane_change_to_its_side(takes_s: float, speed: float, side: int) -> None:
    assert _seen(_aside(14, side * 3.5, takes_s, speed)) == {"lane_change_left" if side > 0 else "lane_change_right"}
    assert _seen(_aside(14, side * 1.2, takes_s, speed)) == set()


def _others(duration_s: float, start_y: float, end_y: float, ahead_m: float, label: str = "Car") -> list[list[Box]]:
    """A vehicle as fast as ours (20 m/s along x from the origin) that moves from one side to another place."""
    found = []
    for t in _stamps(duration_s) / 1e9:
        y = start_y + (end_y - start_y) * np.clip((t - 2) / 2, 0, 1)
        found.append([Box(label, (20.0 * t + ahead_m, float(y), 0.8), (4.5, 1.8, 1.5), 0.0, track="a")])
    return found


def test_a_vehicle_that_comes_into_our_lane_close_ahead_cuts_in() -> None:
    motion, t_ns = _drive(8, 20.0, 0.0), _stamps(8)
    found = cut_ins(motion, t_ns, _others(8, 3.5, 0.0, 15))
    assert found.any()
    assert 2.4 < t_ns[found].min() / 1e9 < 3.6
    assert t_ns[found].max() / 1e9 < 7.0
    for others in (
        _others(8, 0.0, 0.0, 15),  # was there all the time
        _others(8, 3.5, 3.5, 15),  # stays beside
        _others(8, 3.5, 0.0, 60),  # far ahead
        _others(8, 3.5, 0.0, -15),  # behind
        _others(8, 0.0, 3.5, 15),  # leaves
        _others(8, 3.5, 0.0, 15, label="Pedestrian"),
    ):
        assert not cut_ins(motion, t_ns, others).any()
    crossing = [[Box("Car", (20.0 * t + 20, 20 - 10 * t, 0), (4.5, 1.8, 1), 0.0, track="b")] for t in t_ns / 1e9]
    assert not cut_ins(_drive(8, 0.0, 0.0), t_ns, crossing).any()


def test_words_of_sources_are_told_apart() -> None:
    vehicles = ["Car", "Pickup Truck", "Semi-truck", "vehicle.bus.rigid", "REGULAR_VEHICLE", "Other Vehicle - Uncommon"]
    assert all(is_vehicle(label) for label in vehicles)
    assert not any(
        is_vehicle(x) for x in ("vehicle.bicycle", "Motorcycle", "Cones", "Pedestrian", "Other Vehicle - Pedicab")
    )
    assert all(is_pedestrian(x) for x in ("Pedestrian with Object", "human.pedestrian.adult", "person"))
    assert not any(is_pedestrian(x) for x in ("Personal Mobility Device", "Car", "Bicyclist"))


def test_counts_are_of_what_is_near() -> None:
    boxes = [Box("Car", (x, 0.0, 0.0), (4, 2, 1), 0.0) for x in (0.0, 49.0, 51.0)]
    boxes.append(Box("Pedestrian", (0.0, -50.0, 0.0), (1, 1, 2), 0.0))
    assert count_boxes(boxes, (0.0, 0.0)) == (2, 1)
    assert count_boxes([], (0.0, 0.0)) == (0, 0)
    assert [density(n) for n in (0, 1, 5, 6, 15, 16)] == ["empty", "light", "light", "medium", "medium", "heavy"]


def test_light_is_of_the_image() -> None:
    assert [light(x) for x in (0, 49.9, 50, 89.9, 90, 255)] == ["dark", "dark", "dim", "dim", "bright", "bright"]
    red = tag_image(np.full((4, 4, 3), (255, 0, 0), np.uint8))
    assert red == {"brightness": 76.24, "light": "dim", "image_hash": 0}


def test_a_generated_drive_is_tagged_as_it_was_made() -> None:
    log = synth(SynthSpec(duration_s=2.0, width=32, height=18))
    rows = tag_frames(log, log.cameras[0].t_ns)
    assert all(set(row["tags"]) <= set(MANOEUVRES) for row in rows)  # type: ignore[call-overload]
    assert all(abs(row["speed_m_per_s"] - 8.0) < 0.2 for row in rows)  # type: ignore[operator]
    assert rows[5]["num_vehicles"] == sum(
        box.label == "Car" and np.hypot(box.centre[0] - 4.0, box.centre[1] + 1.5) < 50
        for box in log.streams["boxes/top"].read(10)  # type: ignore[attr-defined]
    )
    assert rows[0]["density"] in ("medium", "heavy")


def test_a_log_without_poses_is_tagged_by_what_its_vehicle_tells(small_log: Log) -> None:
    from dataclasses import replace

    blind = replace(small_log, streams={n: s for n, s in small_log.streams.items() if s.kind != "pose"})
    motion = motion_of(blind)
    assert motion is not None
    np.testing.assert_allclose(motion.speed_N_m_per_s, 8.0, atol=0.2)
    row = tag_frames(blind, small_log.cameras[0].t_ns)[3]
    assert row["x_m"] is row["num_vehicles"] is None
    mute = replace(blind, streams={n: s for n, s in blind.streams.items() if s.kind != "scalars"})
    assert motion_of(mute) is None
    assert tag_frames(mute, small_log.cameras[0].t_ns)[0]["speed_m_per_s"] is None


def test_motion_of_a_real_car_from_poses_agrees_with_its_wheels(shared_data: Path) -> None:
    log = open_log(shared_data / "comma2k19_example")
    motion, speed, gyro = motion_of(log), log.streams["scalars/speed"], log.streams["scalars/kinematics"]
    assert motion is not None
    assert speed.values is not None
    assert gyro.values is not None
    by_wheel = np.interp(motion.t_N_ns, speed.t_ns, speed.values()[:, 0])
    assert np.median(np.abs(by_wheel - motion.speed_N_m_per_s)) < 0.3
    by_gyro = np.interp(motion.t_N_ns, gyro.t_ns, gyro.values()[:, 0])
    assert np.nanmedian(np.abs(by_gyro - motion.yaw_rate_N_rad_per_s)) < 0.01


def test_a_data_set_of_a_real_drive_can_be_asked_for_what_happens(real_drive: Path, tmp_path: Path) -> None:
    dataset = build_dataset(open_log(real_drive), tmp_path / "made", size=(64, 36))
    assert len(dataset) > 5
    assert len(dataset.rows("'stop' in tags and speed_m_per_s < 0.3 and num_pedestrians > 1")) == len(dataset)
    assert len(dataset.rows("light in ('bright', 'dim', 'dark') and density = 'heavy'")) == len(dataset)
    assert len(dataset.rows("yaw_rate_rad_per_s > 0.1 or 'cut_in' in tags")) == 0
