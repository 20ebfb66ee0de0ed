"""Project, then augment = augment, then project: for every operation and for compositions of them."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from drivetrain.data.augment import (
    Blur,
    Crop,
    Flip,
    Fog,
    Maybe,
    Noise,
    OneOf,
    Op,
    Photometric,
    PointDropout,
    Rain,
    Resize,
    Roll,
    Sequence,
    TurnWorld,
    View,
    generator,
)
from drivetrain.data.log import Box, Intrinsics, Pose
from drivetrain.data.project import inside, label_map

WIDTH, HEIGHT = 120, 80
seeds = st.integers(0, 2**32)
unit = st.floats(-1, 1)

moving = st.one_of(
    st.just(Flip()),
    st.builds(Roll, st.floats(0, 180)),
    st.builds(TurnWorld, st.floats(0, 180)),
    st.builds(Crop, st.integers(40, 60), st.integers(30, 50)),
    st.builds(Resize, st.integers(60, 250), st.integers(50, 170)),
)
still = st.one_of(
    st.just(PointDropout(0.9)),
    st.just(Photometric()),
    st.just(Noise()),
    st.just(Blur()),
    st.just(Rain()),
    st.just(Fog()),
)


@st.composite
def views(draw: st.DrawFn) -> View:
    """A camera anywhere, looking anywhere, with points and boxes before it; red says the column, green the row."""
    heading = draw(st.tuples(unit, unit, unit, unit).filter(lambda q: math.hypot(*q) > 0.3))
    position = draw(st.tuples(st.floats(-50, 50), st.floats(-50, 50), st.floats(-3, 3)))
    pose = Pose(position, heading)
    lens = Intrinsics(
        draw(st.floats(60, 200)),
        draw(st.floats(60, 200)),
        draw(st.floats(40, 80)),
        draw(st.floats(25, 55)),
        WIDTH,
        HEIGHT,
    )
    rng = np.random.default_rng(draw(seeds))
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    depth = rng.uniform(2, 60, 150)
    seen = np.stack([rng.uniform(-0.9, 0.9, 150) * depth, rng.uniform(-0.9, 0.9, 150) * depth, depth], axis=1)
    points = seen @ pose.rotation.T + np.array(position)
    boxes = tuple(
        Box("car", tuple(points[i].tolist()), (4.0, 2.0, 1.5), float(rng.uniform(-4, 4)), f"{i}", (3.0, 1.0))
        for i in range(4)
    )
    return View(
        image_HW3=np.stack([columns, rows, 0 * rows], axis=2).astype(np.uint8),
        label_HW=_label_of(columns, rows),
        points_N3=points,
        point_label_N=np.arange(150, dtype=np.uint8),
        boxes=boxes,
        pose=pose,
        intrinsics=lens,
    )


def _label_of(columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return (columns // 20 + 6 * (rows // 20)).astype(np.uint8)


def by_hand(points: np.ndarray, view: View) -> np.ndarray:
    """Pixel of each point (N2), NaN behind the camera; turned by the quaternion itself, without the code under test."""
    assert view.pose is not None
    assert view.intrinsics is not None
    w, *v = np.array(view.pose.heading) / np.linalg.norm(view.pose.heading)
    p, v = points - np.array(view.pose.position), -np.array(v)
    q = p + 2 * np.cross(v, np.cross(v, p) + w * p)
    z = np.where(q[:, 2] > 0.5, q[:, 2], np.nan)
    k = view.intrinsics
    return np.stack([k.fx * q[:, 0] / z + k.cx, k.fy * q[:, 1] / z + k.cy], axis=1)


def all_of(ops: list[Op], view: View, seed: int) -> View:
    try:
        return Sequence(*ops)(view, generator(seed, 0, 0))
    except ValueError:  # a window larger than what an earlier window left
        reject()


def corners(box: Box) -> np.ndarray:
    signs = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    x, y, z = (signs * box.size).T
    cosine, sine = math.cos(box.yaw), math.sin(box.yaw)
    return np.stack([cosine * x - sine * y, sine * x + cosine * y, z], axis=1) + np.array(box.centre)


def pixels_moved(op: Op, uv: np.ndarray, before: View, after: View) -> np.ndarray:
    """Where an operation sends pixels, said again in each one's own terms."""
    assert before.intrinsics is not None
    assert after.intrinsics is not None
    old, new = before.intrinsics, after.intrinsics
    if isinstance(op, Flip):
        return uv * [-1, 1] + [WIDTH - 1, 0]
    if isinstance(op, Crop):
        assert after.image_HW3 is not None
        left, top = after.image_HW3[0, 0, :2]  # the picture says where it was cut
        return uv - [left, top]
    if isinstance(op, Resize):
        return (uv + 0.5) * [new.width / old.width, new.height / old.height] - 0.5
    if isinstance(op, Roll):
        assert before.pose is not None
        assert after.pose is not None
        turned = after.pose.rotation.T @ before.pose.rotation  # about the optical axis
        x, y = (uv[:, 0] - old.cx) / old.fx, (uv[:, 1] - old.cy) / old.fy
        x, y = turned[0, 0] * x + turned[0, 1] * y, turned[1, 0] * x + turned[1, 1] * y
        np.testing.assert_allclose(turned[:, 2], [0, 0, 1], atol=1e-9)
        return np.stack([old.fx * x + old.cx, old.fy * y + old.cy], axis=1)
    return uv


@settings(max_examples=120, deadline=None)
@given(view=views(), op=moving | st.just(Photometric()), seed=seeds)
def test_a_point_lands_where_its_pixel_was_sent_to_a_millionth_of_a_pixel(view: View, op: Op, seed: int) -> None:
    after = op(view, generator(seed, 0, 0))
    before_uv = by_hand(view.points_N3, view)  # type: ignore[arg-type]
    after_uv = by_hand(after.points_N3, after)  # type: ignore[arg-type]
    expected = pixels_moved(op, before_uv, view, after)
    np.testing.assert_allclose(after_uv, expected, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(after.pose.rotation), 1.0)  # type: ignore[union-attr]


@settings(max_examples=60, deadline=None)
@given(view=views(), op=moving, seed=seeds)
def test_a_boxs_corners_land_where_their_pixels_were_sent_and_it_stays_a_box(view: View, op: Op, seed: int) -> None:
    after = op(view, generator(seed, 0, 0))
    for old, new in zip(view.boxes, after.boxes, strict=True):
        expected = pixels_moved(op, by_hand(corners(old), view), view, after)
        found = by_hand(corners(new), after)
        if isinstance(op, Flip):  # left and right corners change places
            found = found[[2, 3, 0, 1, 6, 7, 4, 5]]
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-5)
        assert (new.size, new.track) == (old.size, old.track)
        heading = [(math.cos(b.yaw) * b.velocity[0] + math.sin(b.yaw) * b.velocity[1]) for b in (old, new)]  # type: ignore[index]
        assert heading[0] == pytest.approx(heading[1], abs=1e-9)


@settings(max_examples=120, deadline=None)
@given(view=views(), ops=st.lists(moving, min_size=1, max_size=4), seed=seeds)
def test_after_any_composition_a_point_lands_on_what_it_showed_before(view: View, ops: list[Op], seed: int) -> None:
    after = all_of(ops, view, seed)
    assert after.points_N3 is not None
    assert after.image_HW3 is not None
    assert after.intrinsics is not None
    assert view.intrinsics is not None
    before_uv, after_uv = by_hand(view.points_N3, view), by_hand(after.points_N3, after)  # type: ignore[arg-type]
    shrink = after.image_HW3.shape[1] / WIDTH, after.image_HW3.shape[0] / HEIGHT
    shown = (after.image_HW3.sum(axis=2) > 0).astype(np.uint8)
    whole = cv2.erode(shown, np.ones((7, 7), np.uint8)) > 0  # at its edge an image fades into black
    for uv, (u, v) in zip(before_uv, after_uv, strict=True):
        if not inside(np.array([[u, v]]), after.intrinsics)[0] or not inside(uv[None], view.intrinsics)[0]:
            continue
        red, green, _ = after.image_HW3[round(v), round(u)].tolist()
        if not whole[round(v), round(u)]:  # outside of what the camera saw, or nearly
            continue
        reach = 2.5 + 1.5 * len(ops) + 2 / min(*shrink, 1.0)
        near_edge = min(uv[0], uv[1], WIDTH - 1 - uv[0], HEIGHT - 1 - uv[1]) < 2 * reach
        if not near_edge:
            assert abs(red - uv[0]) <= reach
            assert abs(green - uv[1]) <= reach


@settings(max_examples=60, deadline=None)
@given(view=views(), ops=st.lists(moving, min_size=1, max_size=4), seed=seeds)
def test_labels_stay_with_the_image_they_label(view: View, ops: list[Op], seed: int) -> None:
    after = all_of(ops, view, seed)
    assert after.image_HW3 is not None
    assert after.label_HW is not None
    shown = (after.image_HW3.sum(axis=2) > 0) & (after.label_HW != 255)
    seen = cv2.erode(shown.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0  # at its edge an image fades into black
    red, green = after.image_HW3[seen][:, 0].astype(int), after.image_HW3[seen][:, 1].astype(int)
    # Where a pixel is not near the edge of a field of labels, its colour tells its label exactly.
    clear = (np.abs((red + 10) % 20 - 10) > 5) & (np.abs((green + 10) % 20 - 10) > 5)
    agreeing = _label_of(red, green)[clear] == after.label_HW[seen][clear]
    assert agreeing.mean() > 0.97 if clear.sum() > 100 else True


@settings(max_examples=40, deadline=None)
@given(view=views(), op=still, seed=seeds)
def test_light_and_weather_move_nothing_and_points_that_stay_keep_their_classes(view: View, op: Op, seed: int) -> None:
    after = op(view, generator(seed, 0, 0))
    assert after.intrinsics == view.intrinsics
    assert after.pose == view.pose
    assert after.boxes == view.boxes
    assert after.label_HW is view.label_HW
    assert after.points_N3 is not None
    np.testing.assert_array_equal(after.points_N3, view.points_N3[after.point_label_N])  # type: ignore[index]


@settings(max_examples=30, deadline=None)
@given(view=views())
def test_labels_projected_into_a_flipped_view_are_the_flipped_labels(view: View) -> None:
    after = Flip()(view, generator(0, 0, 0))
    before_HW, after_HW = (
        label_map(v.points_N3, v.point_label_N, v.pose, v.intrinsics)  # type: ignore[arg-type]
        for v in (view, after)
    )
    assert (before_HW[:, ::-1] == after_HW).mean() > 0.999  # a point half-way between two pixels may go either way


@settings(max_examples=30, deadline=None)
@given(view=views(), seed=seeds)
def test_twice_flipped_is_as_it_was(view: View, seed: int) -> None:
    after = Sequence(Flip(), Flip())(view, generator(seed, 0, 0))
    np.testing.assert_array_equal(after.image_HW3, view.image_HW3)
    np.testing.assert_array_equal(after.points_N3, view.points_N3)
    assert after.boxes == view.boxes
    np.testing.assert_allclose(after.pose.rotation, view.pose.rotation, atol=1e-12)  # type: ignore[union-attr]
    assert after.intrinsics.cx == pytest.approx(view.intrinsics.cx)  # type: ignore[union-attr]


@settings(max_examples=40, deadline=None)
@given(view=views(), ops=st.lists(moving | still, max_size=3), seed=seeds)
def test_an_operation_changes_no_array_in_place_and_repeats_itself(view: View, ops: list[Op], seed: int) -> None:
    kept = [np.copy(a) for a in (view.image_HW3, view.label_HW, view.points_N3)]  # type: ignore[arg-type]
    op = OneOf(*(Maybe(op, 0.9) for op in [Flip(), *ops]))
    first, second = (op(view, generator(seed, 3, 7)) for _ in range(2))
    for old, now in zip(kept, (view.image_HW3, view.label_HW, view.points_N3), strict=True):
        np.testing.assert_array_equal(old, now)
    np.testing.assert_array_equal(first.image_HW3, second.image_HW3)
    np.testing.assert_array_equal(first.points_N3, second.points_N3)
    assert (first.boxes, first.pose, first.intrinsics) == (second.boxes, second.pose, second.intrinsics)


@pytest.mark.parametrize(
    "op", [Flip(), Roll(), TurnWorld(), Crop(4, 3), Resize(5, 4), Photometric(), Rain(), Fog(), Blur()]
)
def test_any_part_of_a_view_may_be_absent(op: Op) -> None:
    image = np.full((6, 8, 3), 90, np.uint8)
    for view in (View(), View(image_HW3=image), View(points_N3=np.ones((5, 3))), View(label_HW=image[..., 0])):
        after = op(view, generator(0, 0, 0))
        assert (after.image_HW3 is None) == (view.image_HW3 is None)
        assert (after.points_N3 is None) == (view.points_N3 is None)


def test_parts_that_do_not_fit_together_are_no_view() -> None:
    image = np.zeros((6, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="differ in width and height"):
        View(image_HW3=image, label_HW=image[:, 1:, 0])
    with pytest.raises(ValueError, match="3 points but 2 classes"):
        View(points_N3=np.zeros((3, 3)), point_label_N=np.zeros(2, np.uint8))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Crop(0, 5),
        lambda: Resize(5, 0),
        lambda: Roll(-1),
        lambda: TurnWorld(181),
        lambda: Maybe(Flip(), 2.0),
        lambda: OneOf(),
        lambda: Photometric(gamma=1.0),
        lambda: Fog(0, 10),
        lambda: Rain(0),
        lambda: Noise(-1),
        lambda: Blur(0),
        lambda: PointDropout(1.5),
    ],
)
def test_a_setting_out_of_range_is_refused(make: object) -> None:
    with pytest.raises(ValueError, match=r"\d|at least one"):
        make()  # type: ignore[operator]


def test_fog_hides_the_far_more_than_the_near() -> None:
    lens, pose = Intrinsics(50, 50, 31.5, 15.5, 64, 32), Pose((0, 0, 0), (1, 0, 0, 0))
    side = np.stack([np.repeat([-1.0, 1.0], 400), np.tile(np.linspace(-0.6, 0.6, 400), 2), np.full(800, 2.0)], axis=1)
    far = np.where(np.arange(800) < 400, 1.0, 30.0)[:, None]
    view = View(np.zeros((32, 64, 3), np.uint8), points_N3=side * far, pose=pose, intrinsics=lens)
    after = Fog(50, 50)(view, generator(0, 0, 0))
    assert after.image_HW3 is not None
    assert after.points_N3 is not None
    assert after.image_HW3[:, 56:].mean() > 3 * after.image_HW3[:, :8].mean()
    num_near = int((after.points_N3[:, 2] < 3).sum())
    assert num_near > 250 > 2 * (len(after.points_N3) - num_near)


def test_rain_and_noise_leave_the_size_and_brightness_of_an_image() -> None:
    view = View(np.full((90, 160, 3), 100, np.uint8))
    for op in (Rain(), Noise(), Blur(), Photometric(0.01, 0.01, 0.01, 0.01)):
        after = op(view, generator(1, 0, 0)).image_HW3
        assert after is not None
        assert after.shape == (90, 160, 3)
        assert after.dtype == np.uint8
        assert abs(float(after.mean()) - 100) < 10


def test_cameras_of_one_kind_stay_equal_after_equal_draws() -> None:
    lens = Intrinsics(50, 50, 31.5, 15.5, 64, 32)
    two = [replace(View(), intrinsics=lens) for _ in range(2)]
    assert len({Crop(30, 20)(view, generator(5, 1, 9)).intrinsics for view in two}) == 1
