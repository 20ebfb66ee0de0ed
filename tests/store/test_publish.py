from pathlib import Path

import pytest

from drivetrain.core.errors import StoreError
from drivetrain.store import publish_file, publish_folder


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


def test_a_second_writer_of_one_folder_is_told_and_takes_nothing_from_the_first(tmp_path: Path) -> None:
    with publish_folder(tmp_path / "out") as first:
        (first / "a").write_text("whole")
        with pytest.raises(StoreError, match="being written by another process"), publish_folder(tmp_path / "out"):
            pass
    assert (tmp_path / "out" / "a").read_text() == "whole"


def test_what_a_killed_writer_left_of_a_folder_is_removed_first(tmp_path: Path) -> None:
    (tmp_path / "out.incomplete").mkdir()
    (tmp_path / "out.incomplete" / "old").write_text("half")
    with publish_folder(tmp_path / "out"):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
