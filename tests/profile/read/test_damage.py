"""Damaged and odd traces: one clear error, or what could not be read is skipped, named and counted."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.profile.read.rows import rows
from tests.profile.read.writers import WRITERS

from drivetrain.core.errors import DataError
from drivetrain.profile import Trace, read_trace, trace_of
from drivetrain.profile.read import blocks
from drivetrain.profile.read.decode import events_of
from drivetrain.profile.read.reader import read_text


def _event(at: int = 0, **more: Any) -> dict[str, Any]:
    return {"ph": "X", "cat": "cpu_op", "name": f"op {at}", "ts": at, "dur": 1, "pid": 1, "tid": 2, **more}


def _file(*events: str | dict[str, Any]) -> bytes:
    texts = [event if isinstance(event, str) else json.dumps(event) for event in events]
    return ('{"traceEvents": [' + ", ".join(texts) + '], "distributedInfo": {"rank": 3}}').encode(
        errors="surrogateescape"
    )


def _read(text: bytes, *, block_bytes: int = 200) -> Trace:
    pieces = (text[at : at + 100] for at in range(0, len(text), 100))
    return read_text("some.json", pieces, Counter(), block_bytes=block_bytes)


def _names(trace: Trace) -> list[str]:
    return [row["name"] for row in rows(trace)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "is empty"),
        (b" \n ", "is empty"),
        (b"hello", "is no JSON"),
        (b"\x89PNG\r\n", "is no JSON"),
        ('{"traceEvents": []}'.encode("utf-16"), "is no JSON"),
        (b"{}", "no array traceEvents"),
        (b'{"a": [1, {"traceEvents": []}], "b": "\\"traceEvents\\": ["}', "no array traceEvents"),
        (b'{"traceEvents": {"a": 1}}', "no array traceEvents"),
        (b'{"traceEvents": null', "no array traceEvents"),
        (b"[1, 2, null]", "nothing of some.json can be read"),
        (b'[{"a": 1}]', "nothing of some.json can be read"),
        (b"{" + b"[" * 3000, "no array traceEvents"),
        (b"[" * 3000, "nothing of some.json can be read"),
    ],
)
def test_what_is_no_trace_is_one_error_that_says_why(text: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        _read(text)


def test_an_empty_trace_is_a_trace() -> None:
    assert len(_read(b'{"traceEvents": []}')) == len(_read(b"[]")) == 0


def test_a_missing_file_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_trace(tmp_path / "none.json")
    with pytest.raises(DataError, match="directory"):
        read_trace(tmp_path)


ODD = {
    "an invalid escape": (r'"name": "C:\Users\x"', {"an escape that does not exist": 2}),
    "half a surrogate": (r'"name": "a\ud83d"', {"an escape that does not exist": 1}),
    "bytes that are no text": ('"name": "\udcff\udcfe"', {"bytes that are not UTF-8": 2}),
    "a line break in a text": ('"name": "a\nb"', {"a control character in a text": 1}),
    "NaN": ('"args": {"correlation": NaN, "stream": -Infinity}', {"a number that is none": 2}),
    "an id that is no number": ('"args": {"External id": "x7", "correlation": 4}', {"a field of another type": 1}),
    "details that are a list": ('"args": [1, 2]', {"a field of another type": 1}),
    "a shape that is no list": ('"args": {"Input Dims": "x", "stream": true}', {"a field of another type": 1}),
    "numbers as text": ('"ts": "3.5", "dur": "2", "args": {"correlation": "12"}', {}),
    "integers with a fraction": ('"args": {"correlation": 12.0}', {}),
    "a huge id": ('"args": {"correlation": 99999999999999999999, "stream": 5000000000}', {}),
    "a name that is a number": ('"name": 5', {}),
    "a category that is nothing": ('"cat": null', {"a field of another type": 1}),
    "details that are nothing": ('"args": null', {}),
}


@pytest.mark.parametrize("odd", sorted(ODD))
def test_an_odd_field_loses_neither_its_event_nor_the_block(odd: str) -> None:
    fields, counts = ODD[odd]
    events = [json.dumps(_event(at)) for at in range(6)]
    events[2] = events[2][:-1] + ", " + fields + "}"
    for block_bytes in (50, 10_000):
        trace = _read(_file(*events), block_bytes=block_bytes)
        assert len(trace) == 6
        assert trace.origin.skipped == counts
        assert trace.origin.rank == 3


UNUSABLE = {
    "no duration": ({"dur": None}, "an event without a time or duration"),
    "no time": ({"ts": None}, "an event without a time or duration"),
    "a negative duration": ({"dur": -1}, "an event with a negative duration"),
    "a time past all times": ({"ts": 1e300}, "an event at an impossible time"),
    "no phase": ({"ph": ""}, "an event that does not say what it is"),
}


@pytest.mark.parametrize("case", sorted(UNUSABLE))
def test_an_event_that_cannot_be_used_is_counted(case: str) -> None:
    fields, reason = UNUSABLE[case]
    trace = _read(_file(_event(0), {**_event(1), **fields}, _event(2)))
    assert _names(trace) == ["op 0", "op 2"]
    assert trace.origin.skipped == {reason: 1}


@pytest.mark.parametrize("junk", ["null", "7", '"text"', "[1, {}]", "{]}", '{"ph": "X", "name": }', "tru"])
def test_what_is_no_event_is_counted(junk: str) -> None:
    trace = _read(_file(_event(0), junk, _event(2), _event(3)))
    assert _names(trace) == ["op 0", "op 2", "op 3"]
    assert sum(trace.origin.skipped.values()) >= 1


@pytest.mark.parametrize(
    "broken",
    [
        '{"ph": "X", "name": "no end of text, "ts": 1, "dur": 1}',
        '{"ph": "X", "name": "open", "args": {"a": 1',
        '{"ph": "X", "name": "twice closed"}}',
        '{"ph": "X", "name": "bracket"]}',
        '{"ph": "X", "args": {"a": [1, 2}}',
    ],
)
def test_damage_in_the_middle_costs_the_events_around_it_only(broken: str) -> None:
    events = [_event(at) for at in range(300)]
    found = _names(_read(_file(*events[:100], broken, *events[100:])))
    assert len(set(found)) == len(found) >= 298
    assert set(found) <= {event["name"] for event in events} | {"open"}


@pytest.mark.parametrize("writer", sorted(WRITERS))
def test_a_file_cut_anywhere_gives_what_came_before(writer: str) -> None:
    text = WRITERS[writer]([_event(at, args={"s": '}, {"ph": "X"'}) for at in range(40)])
    begin = text.index(b"op 0")
    for end in range(begin + 200, len(text), 97):
        trace = _read(text[:end])
        assert _names(trace) == [f"op {at}" for at in range(len(trace))]
        assert len(trace) >= text[:end].count(b"op ") - 1
        if end < len(text) - 500:
            assert trace.origin.skipped == {"the end of a file that is cut off": 1}


def test_begins_and_ends_become_complete_events() -> None:
    trace = trace_of(
        [
            {"ph": "E", "ts": 9, "tid": 1},
            {"ph": "B", "ts": 1, "tid": 1, "name": "outer", "cat": "user_annotation"},
            {"ph": "E", "ts": 4, "tid": 1},
            {"ph": "B", "ts": 2, "tid": "1", "name": "inner"},
            {"ph": "B", "ts": 3, "tid": 2, "name": "never ends"},
            {"ph": "E", "ts": 5, "tid": 3},
            _event(2),
        ]
    )
    assert [(row["name"], row["ts_ns"], row["dur_ns"]) for row in rows(trace)] == [
        ("outer", 0, 8000),
        ("inner", 1000, 2000),
        ("op 2", 1000, 1000),
    ]
    assert trace.origin.skipped == {"a begin without an end": 1, "an end without a begin": 1}


def test_a_gigantic_text_costs_its_event_and_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LARGEST_BYTES", 1 << 14)
    largest = 0

    def pieces() -> Any:
        nonlocal largest
        giant = '{"ph": "X", "name": "' + "A" * 300_000 + '", "ts": 1, "dur": 1}'
        text = b'{"x": "' + b"B" * 200_000 + b'", ' + _file(_event(0), giant, _event(2))[1:]
        text = text[:-1] + b', "y": "' + b"C" * 200_000 + b'"}'
        for at in range(0, len(text), 1000):
            yield text[at : at + 1000]
            largest = max(largest, len(reader._text))

    skipped: Counter[str] = Counter()
    reader = blocks.Blocks("giant.json", pieces(), skipped, block_bytes=5000)
    found: list[Any] = []
    reader.read(lambda text: found.extend(events_of(text) or []) or bool(events_of(text)), found.extend)
    assert [event.name for event in found] == ["op 0", "op 2"]
    assert largest < 50_000
    assert len(skipped) == 2


def test_compressed_traces_are_read_whole_in_parts_and_as_far_as_they_go(tmp_path: Path) -> None:
    text = WRITERS["kineto"]([_event(at, args={"k": at * 7919 % 1000}) for at in range(3000)])
    path = tmp_path / "trace.3.json.gz"
    path.write_bytes(gzip.compress(text))
    whole = read_trace(path)
    assert len(whole) == 3000
    path.write_bytes(gzip.compress(text[:70_000]) + gzip.compress(text[70_000:]) + bytes(512))
    assert rows(read_trace(path)) == rows(whole)
    data = gzip.compress(text)
    half = data[: len(data) // 2]
    for damaged in (half, half + b"\xff" * 5000):
        path.write_bytes(damaged)
        part = read_trace(path)
        assert 500 < len(part) < 3000
        assert _names(part)[:500] == _names(whole)[:500]
        assert any("of a compressed file" in reason for reason in part.origin.skipped)
    for nothing in (data[:5], b"\x1f\x8b and then something else"):
        path.write_bytes(nothing)
        with pytest.raises(DataError, match=r"holds nothing that can be read \(the .* of a compressed file that is"):
            read_trace(path)


@pytest.mark.parametrize(
    ("name", "rank"),
    [
        ("rank3.json.gz", 3),
        ("trace_rank-12.json", 12),
        ("attempt-0.rank-7.steps-20-23.json.gz", 7),
        ("worker3.1623143566756.pt.trace.json.gz", 3),
        ("trace.3.json", 3),
        ("node17_4242.1700000000.pt.trace.json", None),
        ("rank1-vs-rank2.json", None),
        ("trace.3.4.json", None),
        ("frank3.json", None),
        ("model__1016002.json.gz", None),
    ],
)
def test_the_rank_is_in_the_file_or_else_in_its_name(tmp_path: Path, name: str, rank: int | None) -> None:
    path = tmp_path / name
    path.write_bytes(WRITERS["bare"]([_event()]))
    assert read_trace(path).origin.rank == rank
    path.write_bytes(WRITERS["compact"]([_event()]))
    assert read_trace(path).origin.rank == 5


def test_an_event_that_is_nested_too_deeply_costs_itself_only() -> None:
    deep = '{"ph": "X", "name": "deep", "ts": 1, "dur": 1, "args": {"a": ' + "[" * 100_000 + "]" * 100_000 + "}}"
    trace = _read(_file(_event(0), deep, _event(2)))
    assert _names(trace) == ["op 0", "op 2"]
    assert trace.origin.skipped == {"an event that is no JSON object": 1}


def test_a_number_too_large_for_any_time_costs_its_event_only() -> None:
    events = [json.dumps(_event(at)) for at in range(3)]
    trace = _read(_file(events[0], events[1].replace('"ts": 1', '"ts": 1e999'), events[2]))
    assert _names(trace) == ["op 0", "op 2"]
    assert trace.origin.skipped == {"an event at an impossible time": 1}
