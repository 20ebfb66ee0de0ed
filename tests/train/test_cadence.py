"""When a checkpoint is due."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivetrain.core.units import parse_every
from drivetrain.train.cadence import Cadence, plan


def alone(value: tuple[bool, int]) -> tuple[bool, int]:
    return value


def test_an_interval_in_steps_falls_on_its_multiples_wherever_one_begins() -> None:
    for begin in (0, 3, 5, 9):
        cadence = Cadence(parse_every("5step"), begin, alone)
        assert cadence.next_step == (begin // 5 + 1) * 5
        assert cadence.due(cadence.next_step)
        assert cadence.next_step == (begin // 5 + 2) * 5


def test_without_an_interval_nothing_is_ever_due() -> None:
    assert Cadence(None, 0, alone).next_step > 10**15


def test_ranks_ask_at_the_step_that_rank_0_has_told() -> None:
    told = Cadence(parse_every("10m"), 7, lambda _: (False, 4242))
    assert told.next_step == 8
    assert not told.due(8)
    assert told.next_step == 4242


@given(step_ns=st.integers(1_000, 10**9), every_ns=st.integers(10**6, 10**12))
def test_with_even_steps_saves_come_within_a_step_of_the_interval_and_asking_is_rare(
    step_ns: int, every_ns: int
) -> None:
    step, saved_at, next_step, num_asked, gaps = 0, 0, 1, 0, []
    while len(gaps) < 3:
        step, num_asked = next_step, num_asked + 1
        since = step - saved_at
        save, next_step = plan(
            step, every_ns=every_ns, since_save_ns=since * step_ns, num_measured=since, measured_ns=since * step_ns
        )
        assert next_step > step
        if save:
            gaps.append(since * step_ns)
            saved_at, next_step = step, step + max(1, min(since, every_ns // step_ns))
    assert all(abs(gap - every_ns) <= step_ns for gap in gaps if every_ns > step_ns)
    assert num_asked <= 3 * 45
