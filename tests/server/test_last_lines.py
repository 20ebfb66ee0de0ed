"""Where the last lines that a rank printed begin."""

from __future__ import annotations

import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.server.services.logs import MOST_BYTES, before_last
from drivetrain.store import run_folder


def left_of(data: bytes, num_lines: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRIVETRAIN_HOME", folder)
        path = run_folder("run-1").logs / "attempt-0.rank-0.log"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        return data[before_last("run-1", num_lines)[path.name] :]


@given(st.text("ab\n\u00e9", max_size=60), st.integers(0, 9))
def test_so_many_lines_are_left_the_last_of_which_may_have_no_end(text: str, num_lines: int) -> None:
    lines = text.splitlines(keepends=True)
    assert left_of(text.encode(), num_lines).decode() == "".join(lines[-num_lines:] if num_lines else [])


@pytest.mark.parametrize("end", ["", "begun"])
def test_many_lines_are_all_left_though_one_answer_does_not_carry_them(end: str) -> None:
    lines = [f"{number:0200}\n".encode() for number in range(4 * MOST_BYTES // 200)]
    for num_lines in (1, 5000, 10_000, 15_000, len(lines), len(lines) + 1):
        left = left_of(b"".join([*lines, end.encode()]), num_lines + bool(end))
        assert left == b"".join([*lines[-num_lines:], end.encode()])


def test_of_a_line_without_end_no_more_is_left_than_one_answer_carries() -> None:
    assert len(left_of(b"a" * (MOST_BYTES + 7), 3)) == MOST_BYTES
