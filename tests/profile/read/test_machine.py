"""Machine code that scans is made once, kept, and done without where it cannot be had."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.profile.read.rows import rows
from tests.profile.read.writers import WRITERS

from drivetrain.profile import read_trace
from drivetrain.profile.read import reader, source
from drivetrain.profile.read.scan import machine
from drivetrain.profile.read.scan.machine import Machine, machine_code
from drivetrain.profile.read.scan.scanner import Scanner

_BLOCK = memoryview(b'{"ph": "X", "name": "a", "ts": 1, "dur": 2}')


def _is_working(found: Machine | None) -> bool:
    scanned = Scanner(found).scan(_BLOCK) if found else None
    return scanned is not None and scanned.num_events == 1


@pytest.fixture(scope="module")
def code() -> bytes:
    """Object code for this machine; made once, which takes some seconds."""
    import llvmlite.binding as llvm

    assert _is_working(machine_code(may_be_made=True))
    return machine.kept_at(llvm).read_bytes()[32:]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where code is kept, for a test."""
    path = tmp_path / "kept" / "scan.o"
    monkeypatch.setattr(machine, "kept_at", lambda llvm: path)
    return path


def _file(folder: Path, events: list[dict[str, Any]]) -> Path:
    path = folder / "trace.json"
    path.write_bytes(WRITERS["bare_lines"](events))
    return path


def _spans(num: int) -> list[dict[str, Any]]:
    return [{"ph": "X", "cat": "cpu_op", "name": f"op {at % 9}", "ts": at, "dur": 1} for at in range(num)]


def test_code_is_kept_where_it_was_made(code: bytes, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_made", lambda: code)
    assert machine_code(may_be_made=False) is None
    assert _is_working(machine_code(may_be_made=True))
    assert [path.name for path in place.parent.iterdir()] == ["scan.o"]
    monkeypatch.setattr(machine, "_made", lambda: pytest.fail("it was kept"))
    assert _is_working(machine_code(may_be_made=True))


def test_code_that_is_damaged_is_not_loaded(code: bytes, place: Path) -> None:
    place.parent.mkdir()
    kept = hashlib.sha256(code).digest() + code
    for damaged in (b"", kept[:-1], kept[:100] + b"x" + kept[101:]):
        place.write_bytes(damaged)
        assert machine_code(may_be_made=False) is None
    place.write_bytes(kept)
    assert _is_working(machine_code(may_be_made=False))


def test_code_that_cannot_be_kept_works(code: bytes, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.parent.write_text("no folder")
    monkeypatch.setattr(machine, "_made", lambda: code)
    assert _is_working(machine_code(may_be_made=True))


def test_a_trace_is_read_where_no_code_can_be_had(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = _file(tmp_path, _spans(50))
    expected = rows(read_trace(path))
    monkeypatch.setattr(reader, "_SCANNED_BYTES", 0)
    monkeypatch.setattr(reader, "_COMPILED_FOR_BYTES", 0)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/bin/false")
        assert rows(read_trace(path)) == expected
    assert "no machine code could be made" in caplog.text
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    assert rows(read_trace(path)) == expected


def test_small_traces_do_without_and_larger_ones_do_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def asking(*, may_be_made: bool) -> None:
        asked.append(may_be_made)

    monkeypatch.setattr(reader, "machine_code", asking)
    path = _file(tmp_path, _spans(50))
    read_trace(path)
    assert asked == []
    size_bytes = path.stat().st_size
    monkeypatch.setattr(reader, "_SCANNED_BYTES", size_bytes)
    read_trace(path)
    monkeypatch.setattr(reader, "_COMPILED_FOR_BYTES", size_bytes)
    read_trace(path)
    assert asked == [False, True]


def test_a_trace_is_scanned_without_numba_or_torch(code: bytes, tmp_path: Path) -> None:
    path = _file(tmp_path, _spans(50))
    program = (
        "import sys; from drivetrain.profile import read_trace; from drivetrain.profile.read import reader, gather\n"
        "reader._SCANNED_BYTES = 0; scan = gather.Gatherer.scan; found = []\n"
        "gather.Gatherer.scan = lambda *args: found.append(scan(*args)) or found[-1]\n"
        f"print(len(read_trace({str(path)!r})), found, *({{'numba', 'torch', 'scipy'}} & set(sys.modules)))"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=env)
    assert done.stdout.strip() == "50 [True]", done.stderr


def test_a_trace_of_which_most_is_unusual_is_left_to_the_other_way(
    code: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halves = [{"ph": "BE"[at % 2], "name": "span", "ts": at, "tid": 1} for at in range(2000)]
    path = _file(tmp_path, _spans(2000) + halves)
    expected = rows(read_trace(path))
    monkeypatch.setattr(reader, "_SCANNED_BYTES", 0)
    monkeypatch.setattr(reader, "_SCANNED_AT_ONCE_BYTES", 4000)
    monkeypatch.setattr(source, "PIECE_BYTES", 4000)
    assert rows(read_trace(path, processes=1)) == expected
    monkeypatch.setattr(reader, "_MOST_REFUSED", 3)
    path = _file(tmp_path, halves + _spans(2000))
    expected = rows(read_trace(path, processes=1))
    reads: list[bool] = []
    read_text = reader.read_text

    def counted(*args: Any, **kwargs: Any) -> Any:
        reads.append(kwargs["machine"] is not None)
        return read_text(*args, **kwargs)

    monkeypatch.setattr(reader, "read_text", counted)
    assert rows(read_trace(path, processes=2)) == expected
    assert reads[:2] == [True, False]
