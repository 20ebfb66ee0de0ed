"""Compare a checkpoint with its manifest, byte for byte."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from drivetrain.core.errors import CheckpointIncomplete, CheckpointUnread
from drivetrain.core.extras import require
from drivetrain.store.checkpoints import UNREAD_HINT, CheckpointManifest, others_hint
from drivetrain.store.layout import Piece, StoredTensor
from drivetrain.store.shelf import Reader, Shelf

CHUNK_BYTES = 1 << 20
"""Read and hashed together, so that the hash finds it in the processor's cache."""

NUM_THREADS = 4


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a file, in words to follow its name.

    Attributes:
      is_of_reading: its content may be right, but could not be read.
    """

    words: str
    is_of_reading: bool = False


def verify_checkpoint(shelf: Shelf, step: int) -> CheckpointManifest:
    """Read all of a checkpoint and compare it with its manifest.

    Raises:
      CheckpointIncomplete: names the first file that is missing or altered.
      CheckpointUnread: names the first that cannot be read.
    """
    manifest = shelf.manifest(step)
    problems = _stored_files(shelf, manifest) if manifest.format == 1 else _shards(shelf, manifest)
    with closing(problems):
        for file, problem in problems:
            raise incomplete(shelf, manifest, file, problem)
    return manifest


def incomplete(shelf: Shelf, manifest: CheckpointManifest, file: str, problem: Problem) -> CheckpointIncomplete:
    """The error that a file of a checkpoint has this problem; it names what else there is."""
    step = manifest.step
    message = f"checkpoint of step {step}: {shelf.path(step, file)} {problem.words}"
    if problem.is_of_reading:
        return CheckpointUnread(message, hint=UNREAD_HINT)
    return CheckpointIncomplete(message, hint=others_hint(shelf.steps(), step))


def open_shard(shelf: Shelf, manifest: CheckpointManifest, name: str) -> Reader:
    """A file of tensors whose size and header are those in the manifest. Raises CheckpointIncomplete: not so."""
    shard = manifest.shards[name]
    try:
        reader = shelf.open(manifest.step, name)
    except OSError as exc:
        raise incomplete(shelf, manifest, name, _of_reading(exc)) from exc
    problem: Problem | None
    if reader.size_bytes != shard.size_bytes:
        problem = Problem(f"has {reader.size_bytes} bytes; the manifest says {shard.size_bytes}")
    else:
        problem = read_verified(reader, 0, memoryview(bytearray(shard.header_bytes)), shard.header_xxh3, "its header")
    if problem:
        reader.close()
        raise incomplete(shelf, manifest, name, problem)
    return reader


def read_verified(reader: Reader, begin: int, target: memoryview, xxh3: str, what: str) -> Problem | None:
    """Fill `target` from a file and hash it on the way; returns what is wrong, if something is."""
    hashed = require("xxhash", extra="train").xxh3_128()
    try:
        for start in range(0, len(target), CHUNK_BYTES):
            chunk = target[start : start + CHUNK_BYTES]
            reader.read_into(begin + start, chunk)
            hashed.update(chunk)
    except OSError as exc:
        return _of_reading(exc)
    except EOFError:
        return Problem(f"ends before {what} does")
    if hashed.hexdigest() != xxh3:
        return Problem(f"was altered: the hash of {what} is not the one in the manifest")
    return None


def _of_reading(exc: OSError) -> Problem:
    if isinstance(exc, FileNotFoundError):
        return Problem("is missing")
    return Problem(f"cannot be read: {exc.strerror or exc}", is_of_reading=True)


def _shards(shelf: Shelf, manifest: CheckpointManifest) -> Generator[tuple[str, Problem], None, None]:
    pieces: dict[str, list[tuple[str, StoredTensor, Piece]]] = {name: [] for name in manifest.shards}
    for name, stored in manifest.tensors.items():
        for piece in stored.pieces:
            pieces[piece.file].append((name, stored, piece))
    with ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="drivetrain-verify") as pool:
        for file, its in pieces.items():
            with closing(open_shard(shelf, manifest, file)) as reader:

                def check(item: tuple[str, StoredTensor, Piece], reader: Reader = reader) -> Problem | None:
                    name, stored, piece = item
                    scratch = memoryview(bytearray(stored.size_bytes(piece)))
                    return read_verified(reader, piece.begin, scratch, piece.xxh3, name)

                for problem in filter(None, pool.map(check, its)):
                    yield file, problem


def _stored_files(shelf: Shelf, manifest: CheckpointManifest) -> Generator[tuple[str, Problem], None, None]:
    """Format 1, which was only ever written to disks."""
    for name, stored in manifest.files.items():
        problem = stored.difference(Path(shelf.path(manifest.step, name)))
        if problem:
            yield name, Problem(problem)
