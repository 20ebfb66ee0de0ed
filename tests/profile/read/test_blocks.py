"""Whatever wrote a trace, and wherever it is cut into blocks, the same events are read."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profile.read.rows import changes, rows
from tests.profile.read.writers import AFTER, WRITERS

from drivetrain.profile import Trace
from drivetrain.profile.read.reader import read_text, trace_of

_WORDS = st.text(st.sampled_from('ab{}[]",:\\/ \n\té→\U0001f600'), max_size=12) | st.sampled_from(
    ['},{"ph":"X"', '"}, {"name": "a"', "aten::mm", "\\", '\\"', "]}", '"traceEvents": [']
)
_TIMES = st.integers(0, 50) | st.floats(0, 50).map(lambda value: round(value, 3))
_ANY: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3),
    max_leaves=5,
)
_ARGS = st.fixed_dictionaries(
    {},
    optional={
        "External id": st.integers(0, 9),
        "correlation": st.integers(0, 9),
        "device": st.integers(0, 1),
        "stream": st.integers(0, 9),
        "Input Dims": st.lists(st.lists(st.integers(0, 9), max_size=2), max_size=2),
        "Call stack": _WORDS,
        "Python parent id": st.none() | st.integers(0, 9),
        "Collective name": st.sampled_from(["allreduce", "broadcast"]),
        "Bytes": st.integers(-9, 9),
        "other": _ANY,
    },
)
_EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "ph": st.sampled_from("XXXXXXBEisfM"),
            "name": _WORDS | st.just("[memory]"),
            "ts": _TIMES,
            "pid": st.integers(0, 2) | st.just("Spans"),
            "tid": st.integers(0, 2),
        },
        optional={
            "dur": _TIMES,
            "cat": st.sampled_from(["cpu_op", "kernel", "Kernel", "python_function", "cuda_runtime", "x"]),
            "args": _ARGS,
            "id": st.integers(0, 9),
        },
    ),
    max_size=8,
)


def _read(text: bytes, piece_bytes: int, block_bytes: int) -> Trace:
    pieces = (text[at : at + piece_bytes] for at in range(0, len(text), piece_bytes))
    return read_text("trace", pieces, Counter(), block_bytes=block_bytes)


@settings(max_examples=150)
@given(_EVENTS, st.sampled_from(sorted(WRITERS)), st.integers(1, 700), st.integers(1, 700))
def test_any_events_from_any_writer_cut_anywhere_are_the_same_columns(
    events: list[dict[str, Any]], writer: str, piece_bytes: int, block_bytes: int
) -> None:
    found, expected = _read(WRITERS[writer](events), piece_bytes, block_bytes), trace_of(events)
    assert rows(found) == rows(expected)
    assert changes(found) == changes(expected)
    assert found.origin.skipped == expected.origin.skipped


@settings(max_examples=100)
@given(_EVENTS)
def test_complete_events_are_all_there_in_order_of_time(events: list[dict[str, Any]]) -> None:
    complete = [event for event in events if event["ph"] == "X"]
    expected = sorted((event["ts"], -event["dur"], event["name"]) for event in complete if "dur" in event)
    whole = [event for event in events if event["ph"] == "X"]
    found = rows(trace_of(whole))
    base = min((event["ts"] for event in complete if "dur" in event), default=0)
    assert sorted((round(row["ts_ns"] / 1e3 + base, 3), -row["dur_ns"] / 1e3, row["name"]) for row in found) == expected
    assert [(row["ts_ns"], -row["dur_ns"]) for row in found] == sorted((r["ts_ns"], -r["dur_ns"]) for r in found)


@pytest.mark.parametrize("writer", sorted(set(WRITERS) - {"bare", "bare_lines", "chrome"}))
def test_what_stands_around_the_events_is_read(writer: str) -> None:
    text = WRITERS[writer]([{"ph": "X", "name": "a", "ts": 1, "dur": 1}] * 3)
    origin = _read(text, 100, 50).origin
    assert (origin.rank, origin.world_size, origin.backend) == (5, 8, "nccl")
    assert origin.base_ns == AFTER["baseTimeNanoseconds"] + 1000
    assert origin.devices[0].num_multiprocessors == 80
    assert not origin.skipped


def test_many_blocks_are_each_proven_by_being_decoded() -> None:
    """Details hold what looks like the end of an event: the guess fails, and where events end is found exactly."""
    events = [
        {"ph": "X", "name": "a", "ts": at, "dur": 1, "args": {"k": [{"name": 1}, {"ph": "X"}], "s": '},{"ph":"X"'}}
        for at in range(200)
    ]
    for writer in WRITERS.values():
        assert len(_read(writer(events), 64, 300)) == 200
