"""Folders and buckets hold checkpoints alike: the same tests on both, the bucket being a real S3 server process."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path

import pytest

from drivetrain.core.errors import CheckpointError, CheckpointIncomplete, StoreError, UsageError
from drivetrain.store import Retention, Shelf, manifest_json, newest_good, open_shelf, verify_checkpoint
from drivetrain.store.layout import Block, plan_file
from drivetrain.store.writing import Common, Job, retain, seal, tensors_of, write_part


@pytest.fixture(params=["folder", "bucket"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    if request.param == "folder":
        return open_shelf(f"file://{tmp_path}/shelf")
    return open_shelf(request.getfixturevalue("s3"), patience_s=20)


def write(shelf: Shelf, step: int, *, num_ranks: int = 2, only: int | None = None) -> None:
    """A checkpoint of some ranks, each with 100 bytes; with `only`, what one of them writes of it."""
    if only is None:
        shelf.begin(step)
    for rank in reversed(range(num_ranks)) if only is None else [only]:
        plan = plan_file([Block("model/x", "uint8", (100 * num_ranks,), (100 * rank,), (100,), is_everywhere=False)])
        job = Job(
            step=step,
            rank=rank,
            world_size=num_ranks,
            size_bytes=plan.size_bytes,
            header_bytes=len(plan.header),
            tensors=tensors_of(plan, rank),
            weights=frozenset(),
            own={"rank": rank},
            common=Common("bitwise", {"x": 1}, {}, {}, Retention(3)),
        )
        write_part(shelf, job, memoryview(plan.header + bytes([rank]) * 100))
    if only is None:
        assert seal(shelf, job, lambda: False)


def test_what_all_ranks_have_written_is_one_checkpoint(shelf: Shelf) -> None:
    assert shelf.steps() == []
    write(shelf, 20)
    write(shelf, 3)
    assert shelf.steps() == [3, 20]
    manifest = verify_checkpoint(shelf, 20)
    assert manifest.state.ranks == [{"rank": 0}, {"rank": 1}]
    assert [piece.offsets for piece in manifest.tensors["model/x"].pieces] == [(0,), (100,)]
    reader = shelf.open(20, "rank-00001.safetensors")
    found = bytearray(100)
    reader.read_into(manifest.tensors["model/x"].pieces[1].begin, memoryview(found))
    reader.close()
    assert bytes(found) == b"\x01" * 100
    with pytest.raises(CheckpointIncomplete):
        shelf.manifest(4)
    with pytest.raises(FileNotFoundError):
        shelf.open(20, "absent")


def test_a_part_is_no_checkpoint_and_the_next_one_removes_it(shelf: Shelf) -> None:
    shelf.begin(10)
    write(shelf, 10, only=1)
    assert shelf.steps() == []
    write(shelf, 11)
    assert shelf.steps() == [11]
    assert shelf.unfinished(10, "rank-00001.json") is None
    shelf.drop_unfinished(11)
    assert shelf.steps() == [11]


def test_what_waits_for_a_rank_that_never_comes_can_be_given_up(shelf: Shelf) -> None:
    shelf.begin(10)
    write(shelf, 10, only=0)
    job = Job(10, 0, 2, 0, 0, {}, frozenset(), {}, Common("bitwise", {}, {}, {}, Retention(1)))
    assert not seal(shelf, job, lambda: False)
    assert shelf.steps() == []


def test_what_is_set_aside_or_deleted_does_not_count(shelf: Shelf) -> None:
    for step in (1, 2, 3, 4):
        write(shelf, step)
    shelf.set_aside(4)
    assert shelf.steps() == [1, 2, 3]
    retain(shelf, Retention(1))
    assert shelf.steps() == [3]
    write(shelf, 4)
    assert shelf.steps() == [3, 4]


def test_one_that_is_not_finite_is_passed_over(shelf: Shelf) -> None:
    write(shelf, 1)
    shelf.begin(2)
    infinite = dataclasses.replace(shelf.manifest(1), step=2, finite=False)
    shelf.seal(2, manifest_json(infinite), {})
    told: list[str] = []
    found = newest_good(shelf, on_bad=lambda exc: told.append(exc.message))
    assert found is not None
    assert found.step == 1
    assert told == ["checkpoint of step 2: its weights are not finite"]
    assert shelf.steps() == [1]


def test_a_bucket_that_does_not_answer_is_tried_for_a_while_and_then_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
    shelf = open_shelf("s3://bucket/prefix", patience_s=0.5)
    with pytest.raises(CheckpointError, match="cannot write s3://bucket/prefix/step-00000001/x") as caught:
        shelf.put(1, "x", b"")
    assert "tried for 500 ms" in caught.value.hint
    assert "secret" not in str(caught.value)
    with pytest.raises(StoreError, match="cannot list"):
        shelf.steps()


def test_a_bucket_that_is_not_there_is_an_error_of_ours_at_once(s3: str) -> None:
    shelf = open_shelf("s3://no-such-bucket/prefix", patience_s=60)
    with pytest.raises(CheckpointError, match="cannot write s3://no-such-bucket/prefix/step-00000001/x"):
        shelf.put(1, "x", b"")
    reader_of_nothing = open_shelf(s3, patience_s=60)
    with pytest.raises(FileNotFoundError):
        reader_of_nothing.open(1, "x")


def test_an_address_of_no_kind_we_know_is_refused() -> None:
    with pytest.raises(UsageError, match="no place for checkpoints"):
        open_shelf("ftp://x/y")
