"""One rank's part of a checkpoint becomes a file; the parts of all become a checkpoint. Runs in the writer process.

1. Every rank's writer puts its file of tensors, then `rank-00003.json`, which says what is in it or why there is none.
2. Rank 0's waits for those of all ranks, joins them into the manifest and seals; then it deletes what need not stay.
So nothing is complete before every rank's file is durable, whatever dies in between.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from drivetrain.core.clock import wall_ns
from drivetrain.core.errors import CheckpointError, CheckpointIncomplete, DataError
from drivetrain.core.extras import require
from drivetrain.store.checkpoints import FORMAT, CheckpointManifest, SavedState, Shard, Tier
from drivetrain.store.finite import are_finite
from drivetrain.store.layout import FilePlan, Piece, StoredTensor, merge
from drivetrain.store.manifests import manifest_json
from drivetrain.store.retention import Known, Retention, what_to_delete
from drivetrain.store.shelf import Shelf

_CHUNK_BYTES = 1 << 20
NUM_THREADS = 2


@dataclass(frozen=True, slots=True)
class Common:
    """What rank 0 knows of a checkpoint for all.

    Attributes:
      tier, shared, versions, metrics: see `CheckpointManifest`.
      retention: which checkpoints stay when this one is complete.
    """

    tier: Tier
    shared: dict[str, Any]
    versions: dict[str, str]
    metrics: dict[str, float]
    retention: Retention


@dataclass(frozen=True, slots=True)
class Job:
    """One rank's part of a save, whose file stands ready in memory.

    Attributes:
      step, rank, world_size: whose.
      size_bytes, header_bytes: of the file and its header.
      tensors: what is in it.
      weights: names of the tensors that must be finite for the checkpoint to be good.
      own: this rank's plain state.
      common: on rank 0 alone.
    """

    step: int
    rank: int
    world_size: int
    size_bytes: int
    header_bytes: int
    tensors: dict[str, StoredTensor]
    weights: frozenset[str]
    own: Any
    common: Common | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What one rank has written, or the error for which it could not."""

    tensors: dict[str, StoredTensor] = field(default_factory=dict)
    shard: Shard | None = None
    finite: bool = True
    own: Any = None
    error: str = ""


def shard_name(rank: int) -> str:
    """The file of a rank's tensors."""
    return f"rank-{rank:05d}.safetensors"


def part_name(rank: int) -> str:
    """What a rank says of its file."""
    return f"rank-{rank:05d}.json"


def tensors_of(plan: FilePlan, rank: int) -> dict[str, StoredTensor]:
    """What a rank's file holds, as the manifest will name it, still without hashes."""
    found: dict[str, StoredTensor] = {}
    for block, begin in plan.blocks:
        piece = Piece(shard_name(rank), block.offsets, block.lengths, begin)
        earlier = found[block.name].pieces if block.name in found else ()
        found[block.name] = StoredTensor(block.dtype, block.shape, (*earlier, piece))
    return found


def write_part(shelf: Shelf, job: Job, image: memoryview) -> None:
    """Put one rank's file and what it says of it; hashing goes on beside the writing.

    Args:
      image: the file's content.
    Raises: CheckpointError: the shelf would not take it; the others are told, if it takes that.
    """
    try:
        with ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="drivetrain-write") as pool:
            written = pool.submit(shelf.put, job.step, shard_name(job.rank), image)
            part = _described(job, image)
            written.result()
        shelf.put(job.step, part_name(job.rank), msgspec.json.encode(part))
    except CheckpointError as exc:
        with suppress(CheckpointError):  # rank 0 hears of it from the training process too
            shelf.put(job.step, part_name(job.rank), msgspec.json.encode(Part(error=exc.message)))
        raise


def _described(job: Job, image: memoryview) -> Part:
    xxhash = require("xxhash", extra="train")
    header = image[: job.header_bytes]
    shard = Shard(job.size_bytes, job.header_bytes, xxhash.xxh3_128(header).hexdigest())
    tensors, finite = {}, True
    for name, stored in job.tensors.items():
        pieces = []
        for piece in stored.pieces:
            data = image[piece.begin : piece.begin + stored.size_bytes(piece)]
            xxh3, is_finite = _hashed(data, stored.dtype if name in job.weights else "")
            pieces.append(replace(piece, xxh3=xxh3))
            finite = finite and is_finite
        tensors[name] = replace(stored, pieces=tuple(pieces))
    return Part(tensors, shard, finite, job.own)


def _hashed(data: memoryview, dtype: str) -> tuple[str, bool]:
    hashed = require("xxhash", extra="train").xxh3_128()
    finite = True
    for start in range(0, len(data), _CHUNK_BYTES):
        chunk = data[start : start + _CHUNK_BYTES]
        hashed.update(chunk)
        finite = finite and are_finite(chunk, dtype)
    return hashed.hexdigest(), finite


def seal(shelf: Shelf, job: Job, wait: Callable[[], bool]) -> bool:
    """Wait for the parts of all ranks and make the checkpoint complete; for rank 0's writer.

    Args:
      wait: waits a moment; returns False when the checkpoint is to be given up.
    Returns: whether it is complete.
    Raises: CheckpointError: names the first rank that failed, or what the shelf would not take.
    """
    parts: list[Part] = []
    while len(parts) < job.world_size:
        content = shelf.unfinished(job.step, part_name(len(parts)))
        if content is not None:
            part = msgspec.json.decode(content, type=Part)
            if part.error:
                raise CheckpointError(f"rank {len(parts)}: {part.error}")
            parts.append(part)
        elif not wait():
            shelf.drop_unfinished(job.step)
            return False
    manifest = _manifest(job, parts)
    shelf.seal(job.step, manifest_json(manifest), dict.fromkeys(map(part_name, range(job.world_size))))
    return True


def retain(shelf: Shelf, policy: Retention) -> None:
    """Delete the checkpoints that no rule keeps; call it when the newest is complete."""
    known = []
    for step in shelf.steps():
        try:
            manifest = shelf.manifest(step)
        except CheckpointIncomplete:
            continue  # the next resume tells of it
        known.append(Known(step, manifest.made_at_ns, manifest.finite, manifest.metrics.get(policy.best)))
    for step in what_to_delete(known, policy):
        shelf.delete(step)


def _manifest(job: Job, parts: list[Part]) -> CheckpointManifest:
    assert job.common is not None
    try:
        tensors = merge([part.tensors for part in parts])
    except DataError as exc:
        raise CheckpointError(exc.message) from exc
    return CheckpointManifest(
        step=job.step,
        world_size=job.world_size,
        tier=job.common.tier,
        made_at_ns=wall_ns(),
        state=SavedState(job.common.shared, [part.own for part in parts]),
        finite=all(part.finite for part in parts),
        metrics=job.common.metrics,
        shards={shard_name(rank): part.shard for rank, part in enumerate(parts) if part.shard is not None},
        tensors=tensors,
        versions=job.common.versions,
        format=FORMAT,
    )
