"""Checkpoint folders: whole or invisible, found, verified, kept and deleted."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from drivetrain.core.errors import CheckpointError, CheckpointIncomplete, CheckpointUnread
from drivetrain.store import (
    LocalShelf,
    checkpoint_folder,
    list_checkpoints,
    manifest_json,
    newest_good,
    read_checkpoint,
    verify_checkpoint,
)
from drivetrain.store.layout import Block, plan_file
from drivetrain.store.retention import Retention
from drivetrain.store.writing import Common, Job, part_name, retain, seal, tensors_of, write_part


def write(checkpoints: Path, step: int, value: bytes = b"a") -> Path:
    """A checkpoint of one rank: 100 bytes."""
    shelf = LocalShelf(checkpoints)
    shelf.begin(step)
    plan = plan_file([Block("model/x", "uint8", (100,), (0,), (100,), is_everywhere=True)])
    job = Job(
        step=step,
        rank=0,
        world_size=1,
        size_bytes=plan.size_bytes,
        header_bytes=len(plan.header),
        tensors=tensors_of(plan, 0),
        weights=frozenset(),
        own={},
        common=Common("bitwise", {"x": [1, None, "t"]}, {}, {}, Retention(3)),
    )
    write_part(shelf, job, memoryview(plan.header + value * 100))
    assert seal(shelf, job, lambda: False)
    return checkpoint_folder(checkpoints, step)


def test_a_checkpoint_reads_back_as_it_was_written(tmp_path: Path) -> None:
    path = write(tmp_path, 50)
    assert path.name == "step-00000050"
    assert verify_checkpoint(LocalShelf(tmp_path), 50) == read_checkpoint(path)
    assert sorted(file.name for file in path.iterdir()) == ["manifest.json", "rank-00000.safetensors"]
    assert read_checkpoint(path).state.shared == {"x": [1, None, "t"]}


def test_an_unfinished_checkpoint_is_not_listed_and_the_next_one_clears_it(tmp_path: Path) -> None:
    shelf = LocalShelf(tmp_path)
    shelf.begin(10)
    shelf.put(10, "half", b"half")
    assert shelf.unfinished(10, "half") == b"half"
    assert shelf.unfinished(10, part_name(1)) is None
    assert list_checkpoints(tmp_path) == []
    write(tmp_path, 20)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000020"]


def test_steps_are_listed_as_numbers_in_order(tmp_path: Path) -> None:
    for step in (100_000_000, 20, 3):
        write(tmp_path, step)
    (tmp_path / "step-12").mkdir()
    (tmp_path / "notes").mkdir()
    assert list_checkpoints(tmp_path) == [3, 20, 100_000_000]
    assert list_checkpoints(tmp_path / "absent") == []


def flip(file: Path, position: int) -> None:
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda file: file.unlink(), "is missing"),
        (lambda file: file.write_bytes(file.read_bytes()[:-1]), "bytes; the manifest says"),
        (lambda file: flip(file, -1), "was altered: the hash of model/x is not"),
        (lambda file: flip(file, 20), "was altered: the hash of its header is not"),
    ],
)
def test_a_missing_cut_or_altered_file_is_named(tmp_path: Path, damage, words: str) -> None:
    write(tmp_path, 50)
    path = write(tmp_path, 100)
    damage(path / "rank-00000.safetensors")
    with pytest.raises(CheckpointIncomplete, match=words) as caught:
        verify_checkpoint(LocalShelf(tmp_path), 100)
    assert "rank-00000.safetensors" in caught.value.message
    assert "50" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"{", b'{"step": "no"}', b"\xff\xfe"])
def test_a_manifest_that_is_not_ours_is_told(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, 50)
    (path / "manifest.json").write_bytes(content)
    with pytest.raises(CheckpointIncomplete, match=r"manifest.json cannot be read"):
        verify_checkpoint(LocalShelf(tmp_path), 50)


def test_the_newest_good_one_is_found_and_others_are_told_and_set_aside(tmp_path: Path) -> None:
    for step in (10, 20, 30, 40):
        write(tmp_path, step)
    (checkpoint_folder(tmp_path, 40) / "manifest.json").unlink()
    infinite = dataclasses.replace(read_checkpoint(checkpoint_folder(tmp_path, 30)), finite=False)
    (checkpoint_folder(tmp_path, 30) / "manifest.json").write_bytes(manifest_json(infinite))
    told: list[str] = []
    found = newest_good(LocalShelf(tmp_path), on_bad=lambda exc: told.append(exc.message))
    assert found is not None
    assert found.step == 20
    assert "manifest.json cannot be read" in told[0]
    assert "checkpoint of step 30: its weights are not finite" in told[1]
    assert list_checkpoints(tmp_path) == [10, 20]
    assert (tmp_path / "step-00000030.damaged" / "rank-00000.safetensors").exists()
    assert newest_good(LocalShelf(tmp_path / "absent"), on_bad=lambda _: None) is None


def without_reach(file: Path) -> None:
    """Have every opening of it fail as one of a broken mount does: not for want of a file, and whoever asks."""
    file.unlink()
    file.symlink_to(file)


def test_one_that_cannot_be_read_just_now_stays_and_is_not_passed_over(tmp_path: Path) -> None:
    write(tmp_path, 10)
    without_reach(write(tmp_path, 20) / "manifest.json")
    with pytest.raises(CheckpointUnread, match=r"step-00000020/manifest.json cannot be read"):
        newest_good(LocalShelf(tmp_path), on_bad=lambda _: None)
    assert list_checkpoints(tmp_path) == [10, 20]
    without_reach(tmp_path / "step-00000010" / "rank-00000.safetensors")
    with pytest.raises(CheckpointUnread, match=r"rank-00000.safetensors cannot be read"):
        verify_checkpoint(LocalShelf(tmp_path), 10)


def test_one_of_a_later_version_is_not_passed_over(tmp_path: Path) -> None:
    write(tmp_path, 10)
    (write(tmp_path, 20) / "manifest.json").write_text('{"format": 99, "all": "else"}')
    with pytest.raises(CheckpointUnread, match="has format 99"):
        newest_good(LocalShelf(tmp_path), on_bad=lambda _: None)
    assert list_checkpoints(tmp_path) == [10, 20]


def test_the_newest_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        write(tmp_path, step)
    retain(LocalShelf(tmp_path), Retention(2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000003", "step-00000004"]
    retain(LocalShelf(tmp_path), Retention(5))
    assert list_checkpoints(tmp_path) == [3, 4]


def test_a_checkpoint_is_never_written_over(tmp_path: Path) -> None:
    write(tmp_path, 5)
    with pytest.raises(CheckpointError):
        write(tmp_path, 5)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000005"]


def test_a_disk_that_will_not_take_it_is_a_checkpoint_error(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file, so no folder can be made in it")
    with pytest.raises(CheckpointError, match="cannot write"):
        LocalShelf(tmp_path / "checkpoints").begin(5)
    LocalShelf(tmp_path).drop_unfinished(5)


@pytest.mark.parametrize("state", ["{}", '{"shared": {}, "ranks": []}', "5"])
def test_a_manifest_whose_state_was_edited_is_incomplete(tmp_path: Path, state: str) -> None:
    path = tmp_path / "step-00000001"
    path.mkdir()
    (path / "manifest.json").write_text(
        f'{{"step": 1, "world_size": 2, "tier": "bitwise", "made_at_ns": 1, "files": {{}}, "state": {state}}}'
    )
    with pytest.raises(CheckpointIncomplete, match="cannot be read"):
        read_checkpoint(path)
