from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.bench.results import FORMAT, Metric, Result, read_results, result_line

ONE = Result(
    suite="loader",
    case="decode",
    params={"threads": 2, "exact": True, "size": "small", "share": 0.5},
    metrics={
        "time": Metric(unit="s", samples=(1.0, 1.5)),
        "rate": Metric(unit="/s", samples=(4.0, 3.0), better="higher"),
    },
    commit="0123abc",
    at_ns=1_700_000_000_000_000_000,
    environment={"cpu": "a"},
    session="s1",
    against="ffff",
    order="ABBA",
    noise_floor={"time": 0.01},
)

texts = st.text(max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
results = st.builds(
    Result,
    suite=st.from_regex(r"[a-z][a-z0-9_.-]{0,9}", fullmatch=True),
    case=texts,
    params=st.dictionaries(texts, st.one_of(texts, st.booleans(), st.integers(-(2**60), 2**60)), max_size=3),
    metrics=st.dictionaries(
        texts,
        st.builds(Metric, unit=texts, samples=st.tuples(numbers, numbers), better=st.sampled_from(["lower", "higher"])),
        min_size=1,
        max_size=3,
    ),
    commit=texts,
    at_ns=st.integers(0, 2**62),
    session=texts,
    side=st.sampled_from(["A", "B"]),
    order=texts,
)


@settings(max_examples=50)
@given(st.lists(results, max_size=4))
def test_results_come_back_from_their_lines(written: list[Result]) -> None:
    lines = b"".join(map(result_line, written))
    assert lines.count(b"\n") == len(written)
    reading = read_results(lines.split(b"\n"))
    assert reading.results == tuple(written)
    assert not reading.skipped


@settings(max_examples=50)
@given(st.integers(0, len(result_line(ONE)) - 2))
def test_a_torn_line_is_skipped_and_counted_wherever_it_is_torn(end: int) -> None:
    reading = read_results([result_line(ONE), result_line(ONE)[:end], result_line(ONE)])
    assert reading.results == (ONE, ONE)
    assert sum(reading.skipped.values()) == (1 if end else 0)


@settings(max_examples=100)
@given(st.binary(max_size=60))
def test_bytes_that_are_no_result_are_skipped(line: bytes) -> None:
    reading = read_results([line.replace(b"\n", b" ")])
    assert not reading.results


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"format": FORMAT + 1}, "of a newer version"),
        ({"format": "1"}, "no result"),
        ({"suite": "../../etc/passwd"}, "not a result that we can read"),
        ({"metrics": {}}, "not a result that we can read"),
        ({"metrics": {"time": {"unit": "s", "samples": [None]}}}, "not a result that we can read"),
        ({"metrics": {"time": {"unit": "s", "samples": []}}}, "not a result that we can read"),
        ({"side": "C"}, "not a result that we can read"),
    ],
)
def test_what_is_no_result_of_ours_is_skipped_by_name(change: dict[str, object], why: str) -> None:
    line = json.dumps({**json.loads(result_line(ONE)), **change}).encode()
    reading = read_results([line])
    assert (reading.results, reading.skipped) == ((), {why: 1})


def test_fields_that_nobody_knows_are_left_out_and_counted() -> None:
    value = json.loads(result_line(ONE))
    value["colour"] = "blue"
    inner = json.loads(result_line(ONE))
    inner["metrics"]["time"]["mood"] = 3
    reading = read_results([json.dumps(value).encode(), json.dumps(inner).encode(), result_line(ONE)])
    assert reading.results == (ONE, ONE, ONE)
    assert reading.skipped == {"unknown fields": 2}


def test_a_case_is_named_by_its_parameters_in_any_order() -> None:
    other = replace(ONE, params=dict(reversed(ONE.params.items())))
    assert ONE.name == other.name == "loader/decode[exact=True,share=0.5,size=small,threads=2]"


def test_metrics_of_a_result_have_equally_many_samples() -> None:
    with pytest.raises(ValueError, match="equally many"):
        replace(ONE, metrics={**ONE.metrics, "more": Metric(unit="", samples=(1.0,))})
