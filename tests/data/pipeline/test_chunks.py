"""Chunks on disk are whole and visible, or not there."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.core.errors import StoreError
from drivetrain.data.pipeline import Entry, Item
from drivetrain.data.pipeline.chunks import Chunks
from drivetrain.data.pipeline.wire import encode

ENTRIES = [Entry(i, (Item(f"k{i}", i, {"x": np.full(50, i)}, {}),)) for i in range(4)]
PAYLOADS = [encode(entry) for entry in ENTRIES]


@pytest.fixture
def chunks(tmp_path: Path) -> Chunks:
    chunks = Chunks(tmp_path / "cache")
    chunks.write("step", 7, PAYLOADS)
    return chunks


def file_of(chunks: Chunks) -> Path:
    return chunks.folder / "step" / "000007.entries"


def test_a_chunk_comes_back_in_order(chunks: Chunks) -> None:
    assert chunks.stored("step") == {7}
    assert chunks.stored("other") == frozenset()
    assert [encode(entry) for entry in chunks.read("step", 7)] == PAYLOADS


def test_nothing_shows_before_all_of_it_is_written_and_nothing_stays_of_what_is_not(chunks: Chunks) -> None:
    writer = chunks.writer("step", 8)
    writer.add(PAYLOADS[0])
    assert chunks.stored("step") == {7}
    writer.discard()
    writer.discard()
    assert [file.name for file in (chunks.folder / "step").iterdir()] == ["000007.entries"]


def test_what_a_killed_writer_left_is_removed_and_a_living_one_s_is_not(chunks: Chunks) -> None:
    writer = chunks.writer("step", 8)
    mine = next((chunks.folder / "step").glob("*.incomplete"))
    dead = mine.with_name(mine.name.replace(f".{os.getpid()}.", ".4194999."))
    dead.write_bytes(b"half")
    assert chunks.stored("step") == {7}
    assert mine.exists()
    assert not dead.exists()
    writer.discard()


def test_a_chunk_that_was_cut_short_is_not_there(chunks: Chunks) -> None:
    data = file_of(chunks).read_bytes()
    for size in (0, 5, len(data) // 2, len(data) - 1):
        file_of(chunks).write_bytes(data[:size])
        assert chunks.stored("step") == frozenset()


def test_a_chunk_that_was_altered_is_an_error_that_removes_it(chunks: Chunks) -> None:
    data = bytearray(file_of(chunks).read_bytes())
    data[100] ^= 1
    file_of(chunks).write_bytes(data)
    assert chunks.stored("step") == {7}
    with pytest.raises(StoreError, match="an entry was altered") as caught:
        list(chunks.read("step", 7))
    assert caught.value.hint == "it was removed: run again to make it anew"
    assert chunks.stored("step") == frozenset()


@settings(max_examples=60)
@given(data=st.data())
def test_any_damage_is_noticed_before_a_wrong_entry_comes_out(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    chunks = Chunks(tmp_path_factory.mktemp("damaged"))
    chunks.write("step", 7, PAYLOADS)
    file = file_of(chunks)
    altered = bytearray(file.read_bytes())
    at = data.draw(st.integers(0, len(altered) - 1))
    altered[at] ^= data.draw(st.integers(1, 255))
    file.write_bytes(altered)
    if chunks.stored("step"):
        try:
            found = [encode(entry) for entry in chunks.read("step", 7)]
        except StoreError:
            return
        assert found == PAYLOADS


def test_a_folder_that_takes_nothing_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(StoreError, match="cannot write"):
        Chunks(tmp_path / "cache").write("step", 0, PAYLOADS)


def test_steps_unused_for_long_go_first_and_those_in_use_stay(chunks: Chunks) -> None:
    size_bytes = file_of(chunks).stat().st_size
    for address, at_s in (("oldest", 1000), ("older", 2000), ("step", 3000)):
        chunks.write(address, 7, PAYLOADS)
        os.utime(chunks.folder / address, (at_s, at_s))
    chunks.write("fresh", 7, PAYLOADS)
    chunks.prune(most_bytes=3 * size_bytes)
    assert sorted(path.name for path in chunks.folder.iterdir()) == ["fresh", "older", "step"]
    assert chunks.stored("step") == {7}, "which asks for it"
    chunks.prune(most_bytes=0)
    assert sorted(path.name for path in chunks.folder.iterdir()) == ["fresh", "step"]
