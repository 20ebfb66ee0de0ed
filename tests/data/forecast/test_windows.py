from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.data.forecast import ROLES, Horizon, LaneMap, Window, read_tracks, windows
from drivetrain.data.log import Box, Lane, Log

from .logs import box, log_of, steady, straight_lane, together


def windows_of(log: Log) -> list[Window]:
    (tracks,) = read_tracks(log)
    return list(windows(tracks, LaneMap.of(log, "boxes/x"), Horizon()))


def weaving(seed: int, turn: float = 0.0, shift: tuple[float, float] = (0.0, 0.0)) -> Log:
    """Four cars that wander, in a world that is turned and shifted."""
    rng = np.random.default_rng(seed)
    cosine, sine = math.cos(turn), math.sin(turn)

    def place(x: float, y: float) -> tuple[float, float]:
        return cosine * x - sine * y + shift[0], sine * x + cosine * y + shift[1]

    rows = []
    for number in range(4):
        speed, bend = rng.uniform(3, 15), rng.uniform(-0.1, 0.1)
        x, y, yaw = rng.uniform(-20, 20), rng.uniform(-5, 5), 0.0
        for tick in range(45):
            velocity = place(speed * math.cos(yaw), speed * math.sin(yaw))
            v = (velocity[0] - shift[0], velocity[1] - shift[1])
            rows.append((tick / 10, [box(f"{number}", *place(x, y), yaw + turn, v)]))
            x, y, yaw = x + speed * math.cos(yaw) / 10, y + speed * math.sin(yaw) / 10, yaw + bend / 10
    lane = straight_lane("l", 0.0)
    moved = [np.array([place(*p) for p in border.tolist()]) for border in (lane.left_N2, lane.right_N2)]
    return log_of(together(rows), [Lane("l", moved[0], moved[1])])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), turn=st.floats(-3, 3), x=st.floats(-1e4, 1e4), y=st.floats(-1e4, 1e4))
def test_a_sample_does_not_depend_on_where_the_world_has_its_origin_and_north(
    seed: int, turn: float, x: float, y: float
) -> None:
    for one, other in zip(windows_of(weaving(seed)), windows_of(weaving(seed, turn, (x, y))), strict=True):
        for name in ("history_H5", "others_R5", "lanes_LP3", "future_F2"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=2e-3)
        assert one.manoeuvre == other.manoeuvre


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99))
def test_nothing_but_the_future_of_a_sample_depends_on_the_future(seed: int) -> None:
    log = weaving(seed)
    messages = [(t / 1e9, log.streams["boxes/x"].read(i)) for i, t in enumerate(log.streams["boxes/x"].t_ns.tolist())]

    def bolted(boxes: tuple[Box, ...]) -> list[Box]:
        return [replace(b, centre=(b.centre[0] + 7, b.centre[1] * 2, 0.0), yaw=1.0, velocity=(0.0, 9.0)) for b in boxes]

    other = log_of(
        [(t, boxes if t <= 1.05 else bolted(boxes)) for t, boxes in messages], log.streams["lanes/x"].read(0)
    )
    pairs = [(a, b) for a, b in zip(windows_of(log), windows_of(other), strict=True) if a.tick <= 10]
    assert len(pairs) == 4 * 8
    for one, changed in pairs:
        for name in ("history_H5", "others_R5", "lanes_LP3"):
            np.testing.assert_array_equal(getattr(one, name), getattr(changed, name))
        assert not np.allclose(one.future_F2, changed.future_F2)


def test_the_future_put_back_into_the_world_is_where_the_agent_went() -> None:
    (tracks,) = read_tracks(weaving(3))
    for window in windows_of(weaving(3)):
        (track,) = (track for track in tracks.tracks if track.name == window.track)
        cosine, sine = math.cos(window.heading_rad), math.sin(window.heading_rad)
        world = window.future_F2 @ np.array([[cosine, sine], [-sine, cosine]]) + window.origin_2
        np.testing.assert_allclose(world, track.position_T2[window.tick + 1 : window.tick + 31], atol=1e-4)


def test_history_that_was_not_seen_is_zero_and_says_so() -> None:
    first, *_, last = windows_of(log_of(steady("a", seconds=5.0)))
    assert first.history_H5[:, 4].tolist() == [0] * 7 + [1] * 4
    assert not first.history_H5[:7].any()
    np.testing.assert_allclose(first.history_H5[7:, 0], [-3, -2, -1, 0], atol=1e-5)
    assert last.history_H5[:, 4].all()


def test_others_have_the_role_of_the_nearest_there() -> None:
    log = log_of(
        together(
            steady("me"),
            steady("leader", x=20, speed=8),
            steady("farther", x=45, speed=3),
            steady("left", x=-12, y=3.5),
            steady("two lanes off", y=7.5),
        )
    )
    sample = next(w for w in windows_of(log) if w.track == "me")
    there = {role: row for role, row in zip(ROLES, sample.others_R5, strict=True) if row[4]}
    assert set(there) == {"ahead", "behind left"}
    np.testing.assert_allclose(there["ahead"], [20 - 0.6, 0, 8, 0, 1], atol=1e-4)
    np.testing.assert_allclose(there["behind left"], [-12, 3.5, 10, 0, 1], atol=1e-4)


def test_lanes_are_pieces_in_travel_direction_nearest_first() -> None:
    log = log_of(steady("a"), [straight_lane("near", 0.0), straight_lane("far", 30.0)])
    lanes = windows_of(log)[0].lanes_LP3
    assert lanes[:, 0, 2].all()
    assert np.abs(lanes[0, :, 1]).max() < 1e-5
    assert (np.diff(lanes[..., 0], axis=1) > 0).all()
    assert not windows_of(log_of(steady("a")))[0].lanes_LP3.any()


def _moving_aside(by_m: float) -> list[tuple[float, list[Box]]]:
    def y(t: float) -> float:
        return by_m * min(max((t - 1) / 2.5, 0.0), 1.0)

    return [(t / 10, [box("a", t, y(t / 10), 0.0, (10.0, (y(t / 10) - y(t / 10 - 0.1)) * 10))]) for t in range(45)]


@pytest.mark.parametrize("with_map", [True, False])
def test_a_change_of_lanes_is_told_with_a_map_and_without(with_map: bool) -> None:
    lanes = [straight_lane("r", 0.0, left="l"), straight_lane("l", 3.6, right="r")] if with_map else []
    ways = [w.manoeuvre.way for w in windows_of(log_of(_moving_aside(3.6), lanes))]
    assert ways[7] == "lane change"
    assert {w.manoeuvre.way for w in windows_of(log_of(_moving_aside(0.5), lanes))} == {"straight"}


def test_going_on_into_the_next_lane_is_no_change() -> None:
    lanes = [straight_lane("a", 0.0, after=("b",), x=-185.0), straight_lane("b", 0.0, x=15.0)]
    assert {w.manoeuvre.way for w in windows_of(log_of(steady("a"), lanes))} == {"straight"}


@pytest.mark.parametrize("values", [{"least_s": 2.0}, {"least_s": 0.0}, {"future_s": 0.0}])
def test_a_horizon_that_cannot_be_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected 0 < least_s"):
        Horizon(**values)
