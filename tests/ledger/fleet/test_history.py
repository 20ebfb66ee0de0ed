"""Files of a fleet's events."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivetrain.core.errors import DataError
from drivetrain.ledger.fleet import Alloc, FleetFiles, NodeEvent, append_history

UP = NodeEvent(5, "n1", "h100", "up", 8)


def test_what_is_appended_is_read_again_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    events = [UP, Alloc(7, "j", 0, "n1", ((0, 500),), user="u", team="t", ranks=(0,))]
    append_history(path, events[:1])
    append_history(path, events[1:])
    assert path.read_text(encoding="utf-8").splitlines() == [
        '{"k":"fleet","version":1}',
        '{"k":"node","t":5,"node":"n1","pool":"h100","state":"up","devices":8}',
        '{"k":"alloc","t":7,"job":"j","attempt":0,"node":"n1","milli":[[0,500]],"user":"u","team":"t","ranks":[0]}',
    ]
    assert FleetFiles(path, 9).read().events == tuple(events)
    assert FleetFiles(tmp_path, 9).read().events == tuple(events)


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"\xff\xfe",
        b"[]",
        b'{"k":"node","t":5}',
        b'{"k":"node","t":5,"node":"n","pool":"p","state":"asleep"}',
        b'{"k":"node","t":5,"node":"n","pool":"p","state":"up","devices":1000000000000}',
        b'{"k":"alloc","t":-1,"job":"j","attempt":0,"node":"n"}',
        b"[" * 100_000,
    ],
)
def test_a_line_that_cannot_be_understood_is_counted_and_takes_no_other_with_it(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "h.jsonl"
    append_history(path, [UP])
    path.write_bytes(path.read_bytes() + line + b"\n")
    append_history(path, [UP])
    found = FleetFiles(path, 9).read()
    assert (found.events, found.num_unreadable, found.num_unknown) == ((UP, UP), 1, 0)


def test_a_line_without_an_end_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivetrain.ledger.fleet.history.MOST_LINE_BYTES", 100)
    path = tmp_path / "h.jsonl"
    append_history(path, [UP])
    path.write_bytes(path.read_bytes() + b" " * 1000 + b"{}\n")
    append_history(path, [UP])
    found = FleetFiles(path, 9).read()
    assert (found.events, found.num_unreadable) == ((UP, UP), 1)


def test_kinds_that_a_later_release_may_add_are_counted_and_fields_that_it_adds_left_out(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text(
        '{"k":"fleet","version":1}\n{"k":"weather","t":1}\n'
        '{"k":"node","t":5,"node":"n1","pool":"h100","state":"up","devices":8,"mood":"good"}\n',
        encoding="utf-8",
    )
    found = FleetFiles(path, 9).read()
    assert (found.events, found.num_unreadable, found.num_unknown) == ((UP,), 0, 1)


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text('{"k":"fleet","version":2}\n', encoding="utf-8")
    with pytest.raises(DataError, match="of version 2; this release reads up to 1"):
        FleetFiles(path, 9).read()


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the fleet's history"):
        FleetFiles(tmp_path / "none.jsonl", 9).read()
    with pytest.raises(DataError, match=r"there is no \*\.jsonl in it"):
        FleetFiles(tmp_path, 9).read()
