"""A file that several processes read is read as one process reads it."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.profile.read.rows import changes, rows
from tests.profile.read.writers import WRITERS

from drivetrain.profile import read_trace
from drivetrain.profile.read import reader
from drivetrain.profile.read.helpers import Helpers, Misread


class Patient:
    """Hands each second block over, however long the helper needs to start."""

    def __init__(self, helpers: Helpers) -> None:
        self.helpers = helpers
        self.gathered = helpers.gathered

    def offer(self, block: memoryview, order: int) -> bool:
        while order % 4 == 0 and not self.helpers.offer(block, order):
            pass
        return order % 4 == 0


def _events(num: int) -> list[dict[str, Any]]:
    kinds = ("cpu_op", "kernel", "cuda_runtime", "python_function")
    args = {"External id": 1, "device": 0, "stream": 7, "Call stack": "a;b", "Collective name": "c", "k": "},{"}
    spans = [
        {"ph": "X", "cat": kinds[at % 4], "name": f"n{at % 7}", "ts": at // 3, "dur": 2, "tid": at % 5, "args": args}
        for at in range(num)
    ]
    halves = [{"ph": "BE"[at % 2], "name": "span", "ts": at // 2, "tid": at % 3} for at in range(num)]
    memory = [{"ph": "i", "name": "[memory]", "ts": at, "tid": at % 9, "args": {"Bytes": at}} for at in range(num)]
    return [event for three in zip(spans, halves, memory, strict=True) for event in three]


def _pieces(text: bytes) -> Iterator[bytes]:
    return (text[at : at + 5000] for at in range(0, len(text), 5000))


@pytest.mark.parametrize("writer", ["kineto", "compact"])
def test_what_a_helper_reads_is_the_same(writer: str) -> None:
    text = WRITERS[writer](_events(400))
    alone = reader.read_text("trace", _pieces(text), Counter())
    with Helpers(1) as helpers:
        patient: Any = Patient(helpers)
        together = reader.read_text("trace", _pieces(text), Counter(), block_bytes=8000, helpers=patient)
    assert rows(together) == rows(alone)
    assert changes(together) == changes(alone)
    assert together.origin == alone.origin


def test_a_block_that_a_helper_cannot_read_makes_the_attempt_void() -> None:
    text = WRITERS["compact"](_events(200)).replace(b'"n3"', b'"\\x"')
    with Helpers(1) as helpers:
        patient: Any = Patient(helpers)
        with pytest.raises(Misread):
            reader.read_text("trace", _pieces(text), Counter(), block_bytes=8000, helpers=patient)


def test_a_helper_that_dies_makes_the_attempt_void() -> None:
    with Helpers(1) as helpers:
        while not helpers.offer(memoryview(b'{"ph": "X"}'), 0):
            pass
        os.kill(helpers._all[0]._process.pid, signal.SIGKILL)
        with pytest.raises(Misread):
            helpers.gathered()


def test_a_file_is_read_again_by_one_process_where_two_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "trace.json"
    path.write_bytes(WRITERS["kineto"](_events(50)))

    def refuse(self: Helpers, block: memoryview, order: int) -> bool:
        raise Misread("for this test")

    monkeypatch.setattr(Helpers, "offer", refuse)
    monkeypatch.setattr("drivetrain.profile.read.blocks.BLOCK_BYTES", 3000)
    assert rows(read_trace(path, processes=2)) == rows(read_trace(path, processes=1))
