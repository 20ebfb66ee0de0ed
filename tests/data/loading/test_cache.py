"""Pieces of far files on the local disk: found again, shared, and never more than allowed."""

from __future__ import annotations

import multiprocessing
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from drivetrain.core.errors import DataError
from drivetrain.data.loading.cache import PieceCache


def piece(number: int) -> bytes:
    return bytes([number % 256]) * 100


def held(folder: Path) -> int:
    """Bytes of all pieces; one may vanish while we look."""
    sizes = []
    for file in folder.glob("*.piece"):
        with suppress(FileNotFoundError):
            sizes.append(file.stat().st_size)
    return sum(sizes)


def test_what_was_fetched_is_not_fetched_again_not_even_after_a_restart(tmp_path: Path) -> None:
    fetched: list[int] = []

    def fetch() -> bytes:
        fetched.append(1)
        return piece(1)

    for _ in range(2):
        cache = PieceCache(tmp_path, 1000)
        assert [cache.get("a", 100, fetch) for _ in range(3)] == [piece(1)] * 3
    assert len(fetched) == 1


def test_the_least_lately_used_go_first_and_the_limit_holds(tmp_path: Path) -> None:
    cache = PieceCache(tmp_path, 1000)
    for number in range(10):
        cache.get(f"p{number}", 100, lambda number=number: piece(number))  # type: ignore[misc]
        os.utime(tmp_path / f"p{number}.piece", ns=(number, number))
    cache.get("p0", 100, lambda: b"")
    for number in range(10, 40):
        cache.get(f"p{number}", 100, lambda number=number: piece(number))  # type: ignore[misc]
        assert held(tmp_path) <= 1000
        if number == 10:
            assert cache.has("p0")
            assert not cache.has("p1")


def test_a_piece_of_another_length_is_fetched_again(tmp_path: Path) -> None:
    cache = PieceCache(tmp_path, 1000)
    cache.get("a", 100, lambda: piece(1))
    (tmp_path / "a.piece").write_bytes(b"cut")
    assert cache.get("a", 100, lambda: piece(1)) == piece(1)
    cache.forget("a")
    assert not cache.has("a")


def test_threads_that_ask_at_once_fetch_once(tmp_path: Path) -> None:
    cache, fetched, meet = PieceCache(tmp_path, 1000), [], threading.Barrier(4)

    def fetch() -> bytes:
        fetched.append(1)
        return piece(1)

    def ask() -> None:
        meet.wait(10)
        assert cache.get("a", 100, fetch) == piece(1)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(fetched) == 1


def _fill(folder: str, first: int) -> None:
    cache = PieceCache(Path(folder), 2000)
    for number in range(first, first + 60):
        assert cache.get(f"p{number}", 100, lambda number=number: piece(number)) == piece(number)  # type: ignore[misc]
        assert held(Path(folder)) <= 2000


def test_several_processes_share_one_folder_and_one_limit(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_fill, args=(str(tmp_path), 30 * number)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert held(tmp_path) <= 2000


def test_leftovers_of_killed_processes_and_what_is_over_a_smaller_limit_go(tmp_path: Path) -> None:
    cache = PieceCache(tmp_path, 1000)
    for number in range(10):
        cache.get(f"p{number}", 100, lambda number=number: piece(number))  # type: ignore[misc]
    (tmp_path / "p1-1-1.part").write_bytes(b"half")
    PieceCache(tmp_path, 300)
    assert held(tmp_path) <= 300
    assert not list(tmp_path.glob("*.part"))


def test_a_piece_that_cannot_be_kept_is_given_all_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = PieceCache(tmp_path, 50)
    assert cache.get("large", 100, lambda: piece(1)) == piece(1)
    assert held(tmp_path) == 0
    cache = PieceCache(tmp_path, 1000)
    (tmp_path / "lock").unlink()
    (tmp_path / "lock").mkdir()  # as good as a disk that takes nothing
    assert [cache.get(name, 100, lambda: piece(1)) for name in "ab"] == [piece(1)] * 2
    assert [record.message for record in caplog.records] == [f"the cache {tmp_path} keeps nothing more: Is a directory"]


def test_a_folder_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be used as a cache"):
        PieceCache(tmp_path / "file", 1000)
    with pytest.raises(ValueError, match="limit_bytes is 0"):
        PieceCache(tmp_path, 0)
