from __future__ import annotations

import json
from pathlib import Path

import pytest

from drivetrain.core.errors import DataError
from drivetrain.ledger import Account, account_of_timeline, read_timeline, timeline_json

NAMED = (
    "clocks-three-seconds-apart",
    "died-inside-a-step-and-a-phase",
    "killed-without-end",
    "loader-blocks-90-pct",
    "nested-phases",
    "phase-across-step-boundary",
    "rank-that-never-started",
    "rollback-60-to-40",
    "six-hour-queue",
    "skipped-steps",
    "steps-recorded-by-tens",
    "still-running",
    "ten-hour-hang",
    "torn-last-line",
    "two-hour-outage",
    "unexplained-gaps",
    "wall-clock-steps-back",
)
HEAD = '{"timeline": 1, "name": "t", "lease_ms": 30, "read_at_wall_ms": 100}'
ALLOC = '{"kind": "alloc", "host": "a", "mono_ms": 0, "wall_ms": 0, "rank": 0, "devices": 2}'
RELEASE = '{"kind": "release", "host": "a", "mono_ms": 10, "wall_ms": 10, "rank": 0}'


@pytest.mark.parametrize("name", [*NAMED, *(f"random-{number:04d}" for number in range(20))])
def test_a_timeline_with_known_truth_is_accounted_for_to_the_millisecond(name: str, shared_data: Path) -> None:
    folder = shared_data / "ledger_timelines"
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))[name]
    account = account_of_timeline(read_timeline(folder / f"{name}.jsonl"))
    account.check()
    assert timeline_json(name, account) == {"name": name, **truth}


def test_every_timeline_that_is_given_is_tried(shared_data: Path) -> None:
    given = {path.stem for path in (shared_data / "ledger_timelines").glob("*.jsonl")}
    assert given == {*NAMED, *(f"random-{number:04d}" for number in range(20))}


def account_of_text(tmp_path: Path, *lines: str | bytes) -> Account:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in (HEAD, *lines)))
    return account_of_timeline(read_timeline(path))


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"\xff\xfe\x00",
        b"[1, 2]",
        pytest.param(b'{"kind": "start", "x": ' + b"[" * 100_000, id="nested-too-deep"),
        b'{"kind": "start", "host": "a", "mono_ms": "soon", "wall_ms": 3, "rank": 0}',
        b'{"kind": "start", "host": "a", "mono_ms": 3, "wall_ms": 3}',
        b'{"kind": "alloc", "host": "a", "mono_ms": 3, "wall_ms": 3, "rank": 0, "devices": -4}',
        b'{"kind": "step_begin", "host": "a", "mono_ms": 3, "wall_ms": 3, "rank": 0}',
        b'{"kind": "clock", "host": "a", "mono_ms": 3, "wall_ms": 3, "of": "b"}',
    ],
)
def test_a_line_that_cannot_be_understood_is_left_out_and_counted(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"\n".join([HEAD.encode(), ALLOC.encode(), line, RELEASE.encode()]))
    timeline = read_timeline(path)
    assert (len(timeline.events), timeline.num_unreadable, timeline.num_unknown) == (2, 1, 0)
    assert account_of_timeline(timeline).leaves == {"setup": 20_000_000}


def test_kinds_of_a_later_version_are_left_out_and_counted_apart(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join([HEAD, '{"kind": "shout", "host": "a", "mono_ms": 0, "wall_ms": 0}', ALLOC]))
    timeline = read_timeline(path)
    assert (len(timeline.events), timeline.num_unreadable, timeline.num_unknown) == (1, 0, 1)


@pytest.mark.parametrize(
    "text",
    ["", "\n", "{}", "hello", '{"timeline": "1"}', HEAD.replace(": 1,", ": 2,"), '{"x": ' + "[" * 100_000],
    ids=["empty", "blank", "no-fields", "no-json", "mistyped", "later-version", "nested-too-deep"],
)
def test_a_file_that_is_no_timeline_is_refused_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=r"t\.jsonl is (not )?a timeline"):
        read_timeline(path)


def test_a_timeline_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.jsonl: No such file"):
        read_timeline(tmp_path / "absent.jsonl")


def test_a_timeline_without_events_accounts_for_nothing(tmp_path: Path) -> None:
    account = account_of_text(tmp_path)
    account.check()
    assert (account.allocated_ns, account.leaves, account.goodput_pct, account.is_running) == (0, {}, 0.0, False)
