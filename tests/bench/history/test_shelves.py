from __future__ import annotations

from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest
from tests.bench.decide.sessions import result

from drivetrain.bench.history import open_history
from drivetrain.bench.results import result_line
from drivetrain.core.errors import DataError, StoreError, UsageError

ONE = result("B", {"x": [1.0]}, at_ns=5)
TWO = replace(ONE, suite="loader", at_ns=2)


def test_a_folder_keeps_a_file_for_each_suite_and_gives_everything_by_time(tmp_path: Path) -> None:
    history = open_history(str(tmp_path / "results"))
    history.append([ONE, TWO])
    history.append([replace(ONE, at_ns=3)])
    assert sorted(file.name for file in tmp_path.glob("results/*")) == ["loader.jsonl", "train.jsonl"]
    assert [found.at_ns for found in history.read().results] == [2, 3, 5]


def test_one_file_is_a_history_too(tmp_path: Path) -> None:
    history = open_history(str(tmp_path / "all.jsonl"))
    history.append([ONE, TWO])
    assert history.read().results == (TWO, ONE)


def test_a_line_that_a_killed_writer_tore_costs_only_itself(tmp_path: Path) -> None:
    history = open_history(str(tmp_path))
    history.append([ONE])
    with (tmp_path / "train.jsonl").open("ab") as file:
        file.write(result_line(ONE)[:40])
    history.append([replace(ONE, at_ns=9)])
    found = history.read()
    assert [one.at_ns for one in found.results] == [5, 9]
    assert sum(found.skipped.values()) == 1


def test_what_lies_there_is_never_changed(tmp_path: Path) -> None:
    history = open_history(str(tmp_path))
    history.append([ONE])
    before = (tmp_path / "train.jsonl").read_bytes()
    history.append([ONE])
    assert (tmp_path / "train.jsonl").read_bytes() == before + result_line(ONE)


def _append_many(folder: str, number: int) -> None:
    for at_ns in range(30):
        open_history(folder).append([replace(ONE, case=f"c{number}", at_ns=at_ns)])


def test_several_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [get_context("fork").Process(target=_append_many, args=(str(tmp_path), number)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    found = open_history(str(tmp_path)).read()
    assert (len(found.results), found.skipped) == (90, {})


def test_a_history_that_is_not_there_or_may_not_be_used_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no history"):
        open_history(str(tmp_path / "none")).read()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot write"):
        open_history(str(tmp_path / "file" / "inside")).append([ONE])
    with pytest.raises(UsageError, match="ftp"):
        open_history("ftp://somewhere/results")


def test_a_folder_without_results_is_an_empty_history(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    assert open_history(str(tmp_path)).read().results == ()


def test_a_line_without_an_end_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivetrain.bench.history.shelves._LONGEST_LINE_BYTES", 1000)
    file = tmp_path / "train.jsonl"
    file.write_bytes(result_line(ONE) + b'"' + b"x" * 5000 + b'"\n' + result_line(ONE))
    found = open_history(str(tmp_path)).read()
    assert found.results == (ONE, ONE)
    assert found.skipped == {"not JSON (torn?)": 1}


@pytest.mark.slow
def test_a_bucket_keeps_an_object_for_each_session(s3: str) -> None:
    history = open_history(s3)
    history.append([ONE, TWO])
    history.append([replace(ONE, at_ns=3)])
    assert [found.at_ns for found in history.read().results] == [2, 3, 5]
