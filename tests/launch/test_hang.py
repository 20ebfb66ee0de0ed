"""Which rank hangs, decided from values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from drivetrain.launch.hang import PATIENCE, STEPS, Look, hung

FLOOR = 1000
times = st.integers(0, 50 * FLOOR)
looks = st.lists(
    st.builds(Look, st.just(0), st.integers(-1, 3), st.booleans(), times, times, st.booleans()), min_size=1, max_size=5
).map(lambda found: [replace(look, rank=rank) for rank, look in enumerate(found)])
p99s = st.none() | st.integers(0, 2 * FLOOR)
WAITS = Look(rank=0, step=7, in_step=True, silent_ns=5 * FLOOR, idle_ns=5 * FLOOR, is_stopped=False)


@given(looks=looks, p99_ns=p99s)
def test_no_rank_hangs_that_was_heard_of_within_the_floor(looks: list[Look], p99_ns: int | None) -> None:
    found = hung(looks, floor_ns=FLOOR, p99_step_ns=p99_ns)
    assert found is None or found.silent_ns >= FLOOR


@given(looks=looks, p99_ns=p99s)
def test_while_one_rank_is_heard_of_only_a_stopped_one_hangs(looks: list[Look], p99_ns: int | None) -> None:
    looks = [*looks, Look(len(looks), 1, True, FLOOR - 1, 0, False)]
    found = hung(looks, floor_ns=FLOOR, p99_step_ns=p99_ns)
    assert found is None or found.is_stopped


@given(looks=looks, p99_ns=p99s)
def test_a_stopped_rank_hangs_after_the_floor_whatever_it_was_doing(looks: list[Look], p99_ns: int | None) -> None:
    stopped = Look(len(looks), 3, False, FLOOR, FLOOR, True)
    found = hung([*looks, stopped], floor_ns=FLOOR, p99_step_ns=p99_ns)
    assert found is not None
    assert found.is_stopped


@given(looks=looks, p99_ns=p99s, order=st.randoms())
def test_the_order_of_ranks_decides_nothing(looks: list[Look], p99_ns: int | None, order: object) -> None:
    shuffled = list(looks)
    order.shuffle(shuffled)
    found, other = (hung(each, floor_ns=FLOOR, p99_step_ns=p99_ns) for each in (looks, shuffled))
    assert found == other


def test_the_rank_that_got_least_far_hangs_and_not_those_that_wait_for_it() -> None:
    behind = replace(WAITS, rank=1, step=6)
    ahead = replace(WAITS, rank=2, silent_ns=8 * FLOOR, idle_ns=0)  # spins in a collective
    assert hung([WAITS, behind, ahead], floor_ns=FLOOR, p99_step_ns=10) == behind


def test_a_busy_rank_is_given_patience_and_long_steps_their_time() -> None:
    busy = replace(WAITS, step=6, idle_ns=0)
    assert hung([busy, replace(WAITS, rank=1)], floor_ns=FLOOR, p99_step_ns=10) is None
    late = [replace(busy, silent_ns=PATIENCE * FLOOR), replace(WAITS, rank=1, silent_ns=PATIENCE * FLOOR)]
    assert hung(late, floor_ns=FLOOR, p99_step_ns=10) == late[0]
    assert hung([WAITS], floor_ns=FLOOR, p99_step_ns=5 * FLOOR // STEPS + 1) is None
    assert hung([WAITS], floor_ns=FLOOR, p99_step_ns=5 * FLOOR // STEPS) == WAITS


def test_of_ranks_that_got_equally_far_each_must_be_idle() -> None:
    assert hung([WAITS, replace(WAITS, rank=1, idle_ns=0)], floor_ns=FLOOR, p99_step_ns=10) is None
    assert hung([WAITS, replace(WAITS, rank=1, silent_ns=6 * FLOOR)], floor_ns=FLOOR, p99_step_ns=10).rank == 1


@given(silent_ns=st.integers(0, FLOOR))
def test_a_rank_that_is_never_silent_hangs_where_no_step_is_done_and_not_those_that_wait_for_it(silent_ns: int) -> None:
    busy = replace(WAITS, rank=1, silent_ns=silent_ns, idle_ns=0, stepless_ns=PATIENCE * FLOOR)
    waits = replace(WAITS, stepless_ns=PATIENCE * FLOOR)
    assert hung([waits, busy], floor_ns=FLOOR, p99_step_ns=10) == busy
    assert hung([busy], floor_ns=FLOOR, p99_step_ns=None) == busy
    assert hung([busy], floor_ns=FLOOR, p99_step_ns=PATIENCE * FLOOR // STEPS + 1) is None
    assert hung([waits, replace(busy, stepless_ns=PATIENCE * FLOOR - 1)], floor_ns=FLOOR, p99_step_ns=10) is None


def test_nobody_hangs_where_nobody_is() -> None:
    assert hung([], floor_ns=FLOOR, p99_step_ns=10) is None
