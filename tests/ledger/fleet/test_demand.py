"""What of free accelerators is a fragment."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.ledger.fleet import Alloc, FleetEvent, Leave, NodeEvent, Wait, fleet_of, statement
from drivetrain.ledger.fleet.demand import Room, Shape, easiest, num_copies, typical
from drivetrain.ledger.fleet.rooms import Rooms

shapes = st.builds(
    Shape,
    st.sampled_from((200, 500, 1000, 2000, 4000)),
    st.integers(1, 3),
    st.sampled_from(("", "h100", "a100")),
    st.sampled_from((0, 1000, 4000)),
    st.sampled_from((0, 8)),
)
rooms = st.builds(
    Room,
    st.sampled_from(("h100", "a100")),
    st.lists(st.sampled_from((100, 300, 500, 1000)), max_size=6).map(lambda free: tuple(sorted(free, reverse=True))),
    st.sampled_from((0, 2000, 9000)),
    st.sampled_from((4, 20)),
)


def whole(*events: FleetEvent, end: int = 10) -> dict[str, int]:
    return dict(statement(fleet_of(events, end), 0, end).whole.leaves)


UP = NodeEvent(0, "n", "p", "up", 2)
HALF = Alloc(0, "a", 0, "n", ((0, 600),))


def test_before_anybody_asked_free_accelerators_are_idle() -> None:
    assert whole(UP) == {"idle": 20_000}


def test_a_device_is_a_fragment_while_all_who_wait_need_more_of_it() -> None:
    found = whole(UP, HALF, Wait(4, "b", 1000))
    assert (found["fragmented"], found["idle"]) == (6 * 400, 4 * 400 + 10_000)
    assert "fragmented" not in whole(UP, HALF, Wait(0, "b", 1000), Wait(0, "c", 300))


def test_a_whole_node_is_a_fragment_to_those_that_need_more_devices_cores_or_another_kind() -> None:
    for wait in (Wait(0, "b", 3000), Wait(0, "b", 1000, cpu_milli=9000), Wait(0, "b", 1000, gpu="h100")):
        assert whole(NodeEvent(0, "n", "p", "up", 2, cpu_milli=8000), wait) == {"fragmented": 20_000}


def test_a_gang_can_use_a_node_where_all_its_pieces_fit_at_once() -> None:
    assert whole(UP, Wait(0, "b", 1000, nodes=2)) == {"idle": 20_000}
    assert whole(UP, Wait(0, "b", 1000, nodes=3)) == {"fragmented": 20_000}
    assert whole(UP, NodeEvent(0, "m", "p", "up", 1), Wait(0, "b", 1000, nodes=3)) == {"idle": 30_000}


def test_who_waits_for_another_pool_does_not_judge_this_one() -> None:
    assert whole(UP, Wait(0, "b", 3000, pool="q")) == {"idle": 20_000}


def test_while_nobody_waits_typical_requests_judge() -> None:
    assert whole(UP, HALF, Wait(0, "b", 1000), Leave(2, "b"))["fragmented"] == 4000


def test_nodes_that_take_no_work_are_no_fragments() -> None:
    assert whole(NodeEvent(0, "n", "p", "draining", 2), Wait(0, "b", 3000)) == {"draining": 20_000}
    assert whole(NodeEvent(0, "n", "p", "cordoned", 2), Wait(0, "b", 3000)) == {"broken": 20_000}


def test_a_pool_that_comes_later_is_judged_by_those_who_wait_already() -> None:
    assert whole(Wait(0, "b", 3000), NodeEvent(4, "n", "p", "up", 2)) == {"fragmented": 12_000}


def test_typical_are_the_most_frequent_until_they_are_95_percent() -> None:
    often, rare, odd = (Shape(milli, 1, "", 0, 0) for milli in (1000, 200, 300))
    assert typical(Counter({often: 90, rare: 6, odd: 4})) == [often, rare]
    assert typical(Counter()) == []


def naive(given_rooms: list[tuple[Room, int]], given_shapes: list[Shape]) -> int:
    """Each free part is asked about for each request."""
    if not given_shapes:
        return 0
    all_rooms = [room for room, times in given_rooms for _ in range(times)]
    placeable = [s for s in given_shapes if sum(num_copies(room, s) for room in all_rooms) >= s.nodes]
    return sum(
        free
        for room in all_rooms
        for free in room.free
        if not any(num_copies(room, shape) and free >= min(shape.milli, 1000) for shape in placeable)
    )


@given(st.lists(st.tuples(rooms, st.integers(1, 3)), max_size=5), st.lists(shapes, max_size=6))
def test_the_easiest_requests_judge_as_all_of_them_would(
    given_rooms: list[tuple[Room, int]], given_shapes: list[Shape]
) -> None:
    counted = Rooms()
    for room, times in given_rooms:
        counted.change(room, times)
    assert counted.fragmented_milli(easiest(given_shapes)) == naive(given_rooms, given_shapes)


@settings(max_examples=40)
@given(st.lists(st.tuples(rooms, st.lists(shapes, max_size=3)), max_size=20), st.randoms(use_true_random=False))
def test_what_is_kept_up_to_date_is_what_counting_anew_gives(
    told: list[tuple[Room, list[Shape]]], draw: random.Random
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for limit in ("_MOST_SUMS", "_MOST_CHANGES", "_MOST_KNOWN"):
            patch.setattr(f"drivetrain.ledger.fleet.rooms.{limit}", 3)
        counted, there = Rooms(), []
        asked = [asks for _, asks in told]
        for room, _ in told:
            counted.change(room, 1)
            there.append((room, 1))
            if draw.random() < 0.4:
                counted.change(there.pop(draw.randrange(len(there)))[0], -1)
            for asks in draw.sample(asked, min(2, len(asked))):
                assert counted.fragmented_milli(easiest(asks)) == naive(there, asks)
