import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.core.units import Every, bytes_text, count_text, duration_text, parse_duration_ns, parse_every


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [("90s", 90 * 10**9), ("1.5h", 5400 * 10**9), ("250ms", 250 * 10**6), (" 10 m ", 600 * 10**9), ("7ns", 7)],
)
def test_a_duration_is_read_in_nanoseconds(text: str, expected_ns: int) -> None:
    assert parse_duration_ns(text) == expected_ns


@pytest.mark.parametrize("text", ["", "10", "m", "-5s", "10 parsecs", "1e3s", "nan s"])
def test_what_is_no_duration_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration_ns(text)


def test_an_interval_is_steps_or_time_and_never_zero() -> None:
    assert parse_every("50step") == Every(50, "step")
    assert parse_every("10m") == Every(600 * 10**9, "ns")
    for text in ("0step", "0s", "2.5step", "step"):
        with pytest.raises(ValueError, match="interval"):
            parse_every(text)


@given(st.integers(min_value=1, max_value=10**6))
def test_an_interval_in_steps_reads_back_what_it_prints(num_steps: int) -> None:
    assert parse_every(str(Every(num_steps, "step"))) == Every(num_steps, "step")


@pytest.mark.parametrize(
    ("duration_ns", "expected"),
    [
        (12, "12 ns"),
        (12_345, "12.3 us"),
        (180_000_000, "180 ms"),
        (41_300_000_000, "41.3 s"),
        (125 * 10**9, "2 m 05 s"),
        (int(3599.9e9), "1 h 00 m"),
        (12_000 * 10**9, "3 h 20 m"),
        (-2_000_000, "-2.00 ms"),
    ],
)
def test_a_duration_for_people_has_three_figures_and_a_unit(duration_ns: int, expected: str) -> None:
    assert duration_text(duration_ns) == expected


def test_a_size_for_people_has_a_unit() -> None:
    assert [bytes_text(n) for n in (0, 1023, 3482, 2**30)] == ["0 B", "1023 B", "3.40 KiB", "1.00 GiB"]


def test_a_count_for_people_has_its_plural() -> None:
    assert [count_text(n, "step") for n in (0, 1, 1200)] == ["0 steps", "1 step", "1,200 steps"]
    assert count_text(2, "stretch", "stretches") == "2 stretches"
