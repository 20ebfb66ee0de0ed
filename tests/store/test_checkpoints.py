"""Checkpoint folders: whole or invisible, found, verified, kept and deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivetrain.core.errors import CheckpointError, CheckpointIncomplete
from drivetrain.store import (
    CheckpointManifest,
    SavedState,
    checkpoint_folder,
    list_checkpoints,
    newest_complete,
    read_checkpoint,
    retain_checkpoints,
    verify_checkpoint,
)
from drivetrain.store.checkpoints import begin_checkpoint, describe_files, drop_incomplete, seal_checkpoint


def write(checkpoints: Path, step: int) -> Path:
    aside = begin_checkpoint(checkpoints, step)
    (aside / "a.bin").write_bytes(b"a" * 100)
    (aside / "b.bin").write_bytes(b"b" * 50)
    files = describe_files(aside, ["a.bin", "b.bin"])
    manifest = CheckpointManifest(
        step=step,
        world_size=2,
        tier="bitwise",
        made_at_ns=1,
        files=files,
        state=SavedState({"x": [1, None, "t"]}, [{}, {}]),
    )
    return seal_checkpoint(checkpoints, manifest)


def test_a_checkpoint_reads_back_as_it_was_written(tmp_path: Path) -> None:
    path = write(tmp_path, 50)
    assert path.name == "step-00000050"
    assert verify_checkpoint(path) == read_checkpoint(path)
    assert read_checkpoint(path).state.shared == {"x": [1, None, "t"]}


def test_an_unfinished_checkpoint_is_not_listed_and_the_next_one_clears_it(tmp_path: Path) -> None:
    aside = begin_checkpoint(tmp_path, 10)
    (aside / "half").write_bytes(b"half")
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


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda file: file.unlink(), "is missing"),
        (lambda file: file.write_bytes(b"a" * 99), "99 bytes; the manifest says 100"),
        (lambda file: file.write_bytes(b"a" * 99 + b"b"), "SHA-256"),
    ],
)
def test_a_missing_cut_or_altered_file_is_named(tmp_path: Path, damage, words: str) -> None:
    write(tmp_path, 50)
    path = write(tmp_path, 100)
    damage(path / "a.bin")
    with pytest.raises(CheckpointIncomplete, match=words) as caught:
        verify_checkpoint(path)
    assert "a.bin" in caught.value.message
    assert "50" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"{", b'{"step": "no"}', b"\xff\xfe"])
def test_a_manifest_that_is_not_ours_is_told(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, 50)
    (path / "manifest.json").write_bytes(content)
    with pytest.raises(CheckpointIncomplete, match=r"manifest.json cannot be read"):
        verify_checkpoint(path)


def test_the_newest_whole_one_is_found_and_damaged_ones_are_told_and_set_aside(tmp_path: Path) -> None:
    for step in (10, 20, 30):
        write(tmp_path, step)
    (checkpoint_folder(tmp_path, 30) / "b.bin").unlink()
    told: list[str] = []
    found = newest_complete(tmp_path, on_damaged=lambda exc: told.append(exc.message))
    assert found is not None
    assert found.step == 20
    assert len(told) == 1
    assert "b.bin" in told[0]
    assert list_checkpoints(tmp_path) == [10, 20]
    assert (tmp_path / "step-00000030.damaged" / "a.bin").exists()
    assert newest_complete(tmp_path / "absent", on_damaged=lambda _: None) is None


def test_a_damaged_one_never_counts_as_one_to_keep(tmp_path: Path) -> None:
    for step in (10, 30):
        write(tmp_path, step)
    (checkpoint_folder(tmp_path, 30) / "b.bin").unlink()
    newest_complete(tmp_path, on_damaged=lambda _: None)
    write(tmp_path, 20)
    retain_checkpoints(tmp_path, 1)
    assert list_checkpoints(tmp_path) == [20]


def test_the_newest_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        write(tmp_path, step)
    retain_checkpoints(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000003", "step-00000004"]
    retain_checkpoints(tmp_path, 5)
    assert list_checkpoints(tmp_path) == [3, 4]


def test_a_checkpoint_is_never_written_over(tmp_path: Path) -> None:
    write(tmp_path, 5)
    with pytest.raises(CheckpointError):
        write(tmp_path, 5)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000005"]


def test_a_disk_that_will_not_take_it_is_a_checkpoint_error(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file, so no folder can be made in it")
    with pytest.raises(CheckpointError, match="cannot write"):
        begin_checkpoint(tmp_path / "checkpoints", 5)
    drop_incomplete(tmp_path, 5)


@pytest.mark.parametrize("state", ["{}", '{"shared": {}, "ranks": []}', "5"])
def test_a_manifest_whose_state_was_edited_is_incomplete(tmp_path: Path, state: str) -> None:
    path = tmp_path / "step-00000001"
    path.mkdir()
    (path / "manifest.json").write_text(
        f'{{"step": 1, "world_size": 2, "tier": "bitwise", "made_at_ns": 1, "files": {{}}, "state": {state}}}'
    )
    with pytest.raises(CheckpointIncomplete, match="cannot be read"):
        read_checkpoint(path)
