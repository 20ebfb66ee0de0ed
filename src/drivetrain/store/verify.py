"""Compare a checkpoint with its manifest, byte for byte."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from drivetrain.core.errors import CheckpointIncomplete
from drivetrain.core.extras import require
from drivetrain.store.checkpoints import CheckpointManifest, others_hint
from drivetrain.store.layout import Piece, StoredTensor
from drivetrain.store.shelf import Reader, Shelf

CHUNK_BYTES = 1 << 20
"""Read and hashed together, so that the hash finds it in the processor's cache."""

NUM_THREADS = 4


def verify_checkpoint(shelf: Shelf, step: int) -> CheckpointManifest:
    """Read all of a checkpoint and compare it with its manifest.

    Raises: CheckpointIncomplete: names the first file that is missing or altered.
    """
    manifest = shelf.manifest(step)
    problems = _stored_files(shelf, manifest) if manifest.format == 1 else _shards(shelf, manifest)
    with closing(problems):
        for file, problem in problems:
            raise incomplete(shelf, manifest, file, problem)
    return manifest


def incomplete(shelf: Shelf, manifest: CheckpointManifest, file: str, problem: str) -> CheckpointIncomplete:
    """The error that a file of a checkpoint has this problem; it names what else there is."""
    step = manifest.step
    return CheckpointIncomplete(
        f"checkpoint of step {step}: {shelf.path(step, file)} {problem}", hint=others_hint(shelf.steps(), step)
    )


def open_shard(shelf: Shelf, manifest: CheckpointManifest, name: str) -> Reader:
    """A file of tensors whose size and header are those in the manifest. Raises CheckpointIncomplete: they are not."""
    shard = manifest.shards[name]
    try:
        reader = shelf.open(manifest.step, name)
    except FileNotFoundError as exc:
        raise incomplete(shelf, manifest, name, "is missing") from exc
    except OSError as exc:
        raise incomplete(shelf, manifest, name, f"cannot be read: {exc.strerror or exc}") from exc
    problem = ""
    if reader.size_bytes != shard.size_bytes:
        problem = f"has {reader.size_bytes} bytes; the manifest says {shard.size_bytes}"
    else:
        problem = read_verified(reader, 0, memoryview(bytearray(shard.header_bytes)), shard.header_xxh3, "its header")
    if problem:
        reader.close()
        raise incomplete(shelf, manifest, name, problem)
    return reader


def read_verified(reader: Reader, begin: int, target: memoryview, xxh3: str, what: str) -> str:
    """Fill `target` from a file and hash it on the way; returns what is wrong, in words, or nothing."""
    hashed = require("xxhash", extra="train").xxh3_128()
    try:
        for start in range(0, len(target), CHUNK_BYTES):
            chunk = target[start : start + CHUNK_BYTES]
            reader.read_into(begin + start, chunk)
            hashed.update(chunk)
    except OSError as exc:
        return f"cannot be read: {exc.strerror or exc}"
    return "" if hashed.hexdigest() == xxh3 else f"was altered: the hash of {what} is not the one in the manifest"


def _shards(shelf: Shelf, manifest: CheckpointManifest) -> Generator[tuple[str, str], None, None]:
    pieces: dict[str, list[tuple[str, StoredTensor, Piece]]] = {name: [] for name in manifest.shards}
    for name, stored in manifest.tensors.items():
        for piece in stored.pieces:
            pieces[piece.file].append((name, stored, piece))
    with ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="drivetrain-verify") as pool:
        for file, its in pieces.items():
            with closing(open_shard(shelf, manifest, file)) as reader:

                def check(item: tuple[str, StoredTensor, Piece], reader: Reader = reader) -> str:
                    name, stored, piece = item
                    scratch = memoryview(bytearray(stored.size_bytes(piece)))
                    return read_verified(reader, piece.begin, scratch, piece.xxh3, name)

                for problem in filter(None, pool.map(check, its)):
                    yield file, problem


def _stored_files(shelf: Shelf, manifest: CheckpointManifest) -> Generator[tuple[str, str], None, None]:
    """Format 1, which was only ever written to disks."""
    for name, stored in manifest.files.items():
        problem = stored.difference(Path(shelf.path(manifest.step, name)))
        if problem:
            yield name, problem
