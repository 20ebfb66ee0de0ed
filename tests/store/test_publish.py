from pathlib import Path

import pytest

from drivetrain.core.errors import StoreError
from drivetrain.store import publish_file


def test_a_file_written_piece_by_piece_appears_when_it_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "folder" / "out.bin"
    with publish_file(out) as file:
        file.write(b"one ")
        assert not out.exists()
        file.write(b"two")
    assert out.read_bytes() == b"one two"
    assert [p.name for p in out.parent.iterdir()] == ["out.bin"]


def _write(out: Path, exc: BaseException) -> None:
    with publish_file(out) as file:
        file.write(b"new")
        raise exc


def test_a_file_that_was_not_finished_leaves_nothing_and_keeps_the_old_one(tmp_path: Path) -> None:
    out = tmp_path / "out.bin"
    out.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        _write(out, KeyboardInterrupt())
    with pytest.raises(StoreError, match=r"out\.bin.*No space"):
        _write(out, OSError(28, "No space left on device"))
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir() if p.is_file()] == [("out.bin", b"old")]
