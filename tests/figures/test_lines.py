from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from drivetrain.figures import Series, line_chart
from drivetrain.figures.axes import nice_ticks, nice_time_ticks_s, tick_text, time_tick_text
from drivetrain.figures.lines import thin

FINITE = st.floats(-1e9, 1e9)


@given(st.lists(FINITE, max_size=300), st.integers(4, 50))
def test_thinning_keeps_ends_extremes_and_order(ys: list[float], max_points: int) -> None:
    points = [(float(x), y) for x, y in enumerate(ys)]
    kept = thin(points, max_points)
    assert len(kept) <= max(max_points, 2)
    assert kept == sorted(kept, key=lambda point: point[0])
    assert set(kept) <= set(points)
    if points:
        assert (kept[0], kept[-1]) == (points[0], points[-1])
        assert {min(ys), max(ys)} <= {y for _, y in kept}


def test_a_single_spike_in_a_million_points_survives() -> None:
    points = [(float(x), 1.0) for x in range(1_000_000)]
    points[777_777] = (777_777.0, 9.0)
    kept = thin(points)
    assert len(kept) <= 2000
    assert points[777_777] in kept


@given(FINITE, st.floats(1e-6, 1e9), st.integers(2, 10))
def test_ticks_are_within_the_range_few_and_written_differently(low: float, size: float, num_wanted: int) -> None:
    ticks = nice_ticks(low, low + size, num_wanted=num_wanted)
    assert 1 <= len(ticks) <= 2 * num_wanted + 2
    slack = 1e-6 * size + 8 * math.ulp(abs(low) + size)
    assert all(low - slack <= tick <= low + size + slack for tick in ticks[1:])


def test_ticks_have_the_decimals_that_they_need() -> None:
    ticks = nice_ticks(0.31, 0.58)
    assert [tick_text(tick, ticks) for tick in ticks] == ["0.35", "0.40", "0.45", "0.50", "0.55"]
    assert tick_text(12_000, [0, 12_000]) == "12,000"


@given(st.floats(0.001, 1e7))
def test_time_ticks_start_at_zero_and_end_in_time(end_s: float) -> None:
    ticks = nice_time_ticks_s(end_s)
    assert ticks[0] == 0
    assert ticks[-1] <= end_s * 1.000001
    assert len(ticks) <= 16
    assert len({time_tick_text(tick, ticks) for tick in ticks}) == len(ticks)


def test_values_that_are_not_finite_break_the_line_and_are_left_out() -> None:
    series = [Series("loss", [(0, 1.0), (1, math.nan), (2, 3.0), (3, math.inf), (4, 2.0)])]
    markup = line_chart(series, key="c", title="t")
    assert "nan" not in markup
    assert "3 values from 1 to 3, last 2" in markup


def test_nothing_but_nan_and_nothing_at_all_are_charts_too() -> None:
    assert "no finite values" in line_chart([Series("a", [(0, math.nan)])], key="c", title="t")
    assert "No points" in line_chart([], key="c", title="t")


@given(st.lists(st.tuples(FINITE, st.floats(allow_nan=True, allow_infinity=True)), max_size=20))
def test_any_values_make_a_chart_of_finite_coordinates(points: list[tuple[float, float]]) -> None:
    markup = line_chart([Series("a", sorted(points)), Series("b", [(1, 2)])], key="c", title="t")
    assert "nan" not in markup
    assert "inf " not in markup


def test_several_curves_are_labelled_at_their_ends() -> None:
    markup = line_chart([Series("road", [(0, 1), (1, 2)]), Series("car & truck", [(0, 2), (1, 2)])], key="c", title="t")
    assert ">road</text>" in markup
    assert ">car &amp; truck</text>" in markup
