"""The server's clock neither leaps nor goes back, whatever is done to the machine's."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.server.steady import SteadyClock


class Machine:
    """Clocks that a test moves."""

    def __init__(self) -> None:
        self.wall_s, self.since_boot_s = 1e9, 500.0

    def steady(self) -> SteadyClock:
        return SteadyClock(lambda: self.wall_s, lambda: self.since_boot_s)

    def wait(self, for_s: float) -> None:
        self.wall_s += for_s
        self.since_boot_s += for_s


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(-1e6, 1e6)), max_size=20))
@settings(max_examples=100)
def test_its_pace_is_right_to_a_tenth_however_the_machines_clock_is_set(moves: list[tuple[float, float]]) -> None:
    machine = Machine()
    clock = machine.steady()
    for wait_s, step_s in moves:
        before_s = clock()
        machine.wait(wait_s)
        machine.wall_s += step_s
        assert 0.9 * wait_s - 1e-3 <= clock() - before_s <= 1.1 * wait_s + 1e-3


def test_after_a_step_of_the_machines_clock_it_comes_to_agree_with_it() -> None:
    for step_s in (-60.0, 60.0):
        machine = Machine()
        clock = machine.steady()
        machine.wall_s += step_s
        machine.wait(300.0)
        assert abs(clock() - machine.wall_s) > 20
        machine.wait(400.0)
        assert abs(clock() - machine.wall_s) < 1e-3


def test_it_is_never_before_what_is_known_to_have_happened_and_goes_on_from_there() -> None:
    machine = Machine()
    clock = machine.steady()
    clock.not_before(machine.wall_s + 3600)
    clock.not_before(machine.wall_s)
    read_s = []
    for _ in range(10):
        read_s.append(clock())
        machine.wait(10.0)
    assert read_s[0] >= machine.wall_s - 100 + 3600 - 1e-3
    assert all(after - before >= 9 for before, after in pairwise(read_s))
