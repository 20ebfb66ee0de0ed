from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivetrain.ledger import JournalTail, Recorder
from drivetrain.ledger.journal import read_journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.jsonl"
    with Recorder.open(path, run="run-x", attempt=0, rank=0, lease_ns=30) as record:
        for step in range(3):
            record.step_begin(step)
    return path


def test_a_tail_gives_each_record_once_and_waits_for_whole_lines(tmp_path: Path, path: Path) -> None:
    data = path.read_bytes()
    grown = tmp_path / "grown.jsonl"
    tail = JournalTail(grown)
    assert tail.poll() == []
    found = []
    for size in range(len(data) + 1):
        with grown.open("ab") as file:
            file.write(data[max(0, size - 1) : size])
        found += [event.step for event in tail.poll()]
    assert found == [0, 1, 2]
    assert tail.num_unreadable == 0


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 1))
def test_a_torn_tail_costs_at_most_the_line_it_is_in(cut: float, path: Path, tmp_path: Path) -> None:
    data = path.read_bytes()
    torn = tmp_path / "torn.jsonl"
    torn.write_bytes(data[: round(cut * len(data))])
    journal = read_journal(torn)
    num_records = sum(len(records) for _, records in journal.parts)
    num_whole = torn.read_bytes().count(b"\n")
    assert num_whole - 1 <= num_records <= num_whole
    assert journal.num_unreadable <= 1


def test_a_damaged_line_is_counted_and_the_others_are_read(path: Path) -> None:
    lines = path.read_bytes().split(b"\n")
    deep = b'{"k":"commit","x":' + b"[" * 100_000
    garbage = [b"\x00" * 40, b'{"k":"step_begin","t":"noon"}', b'{"k":"shout","t":1}', b"{", b"[" * 10_000, deep]
    path.write_bytes(b"\n".join([lines[0], *garbage, *lines[1:]]))
    journal = read_journal(path)
    assert [record.step for _, records in journal.parts for record in records] == [0, 1, 2]
    assert journal.num_unreadable == len(garbage)


def test_a_writer_that_goes_on_where_another_was_torn_off_spoils_neither(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])
    with Recorder.open(path, run="run-x", attempt=1, rank=0, lease_ns=30) as record:
        record.commit(7)
    journal = read_journal(path)
    assert [(header.attempt, [r.step for r in records]) for header, records in journal.parts] == [(0, [0, 1]), (1, [7])]
    assert journal.num_unreadable == 1
    assert [(event.attempt, event.step) for event in JournalTail(path).poll()] == [(0, 0), (0, 1), (1, 7)]


def test_a_journal_that_is_absent_or_empty_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    assert read_journal(tmp_path / "empty.jsonl").parts == read_journal(tmp_path / "absent.jsonl").parts == ()
    shutil.rmtree(tmp_path)
    assert JournalTail(tmp_path / "gone.jsonl").poll() == []
