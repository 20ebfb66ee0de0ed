"""A checkpoint's tensors are read into live memory and verified on the way, whatever ranks wrote them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass

import torch

from drivetrain.core.errors import CheckpointIncomplete
from drivetrain.store import CheckpointManifest, Shelf
from drivetrain.store.layout import Piece, StoredTensor, overlap
from drivetrain.store.shelf import Reader
from drivetrain.store.verify import NUM_THREADS, Problem, incomplete, open_shard, read_verified
from drivetrain.train.boxes import Held, held


@dataclass(frozen=True, slots=True)
class _Task:
    """A piece of a file, and where (some of) it goes."""

    name: str
    stored: StoredTensor
    piece: Piece
    box: Held


def read_tensors(shelf: Shelf, manifest: CheckpointManifest, targets: Mapping[str, torch.Tensor]) -> None:
    """Fill live tensors with what a checkpoint holds of the same names; a DTensor gets this rank's shard of it.

    Raises:
      CheckpointIncomplete: a file is missing or altered; then some targets are filled and some are not.
      CheckpointUnread: one cannot be read, likewise.
    """
    tasks = sorted(_tasks(manifest, targets), key=lambda task: (task.piece.file, task.piece.begin))
    with ExitStack() as stack:
        files = sorted({task.piece.file for task in tasks})
        readers = {file: stack.enter_context(closing(open_shard(shelf, manifest, file))) for file in files}
        pool = stack.enter_context(ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="drivetrain-read"))
        problems = pool.map(lambda task: _read(readers[task.piece.file], task), tasks)
        for task, problem in zip(tasks, problems, strict=True):
            if problem:
                raise incomplete(shelf, manifest, task.piece.file, problem)


def _tasks(manifest: CheckpointManifest, targets: Mapping[str, torch.Tensor]) -> Iterator[_Task]:
    for name, tensor in targets.items():
        stored = manifest.tensors.get(name)
        if stored is None or stored.shape != tuple(tensor.shape):
            raise CheckpointIncomplete(f"the manifest of the checkpoint of step {manifest.step} lacks {name}")
        box = held(tensor)
        for piece in stored.pieces:
            if overlap(piece.offsets, piece.lengths, box.offsets, box.local.shape) is not None:
                yield _Task(name, stored, piece, box)


def _read(reader: Reader, task: _Task) -> Problem | None:
    """Read one piece; returns what is wrong with it, if something is."""
    size_bytes = task.stored.size_bytes(task.piece)
    direct = _direct(task, size_bytes)
    if direct is not None:
        return read_verified(reader, task.piece.begin, direct, task.piece.xxh3, task.name)
    scratch = torch.empty(size_bytes, dtype=torch.uint8)
    problem = read_verified(reader, task.piece.begin, scratch.numpy().data, task.piece.xxh3, task.name)
    if not problem:
        whole = scratch.view(getattr(torch, task.stored.dtype)).view(task.piece.lengths)
        _copy_overlap(whole, task)
    return problem


def _direct(task: _Task, size_bytes: int) -> memoryview | None:
    """The target's own memory, where a piece lies in it as it does in the file."""
    local, piece = task.box.local, task.piece
    same_type = str(local.dtype) == f"torch.{task.stored.dtype}"
    if not same_type or local.device.type != "cpu" or not local.is_contiguous():
        return None
    row = 0
    if piece.lengths:
        row = piece.offsets[0] - task.box.offsets[0]
        is_inside = row >= 0 and row + piece.lengths[0] <= local.shape[0]
        if not is_inside or piece.lengths[1:] != tuple(local.shape[1:]) or piece.offsets[1:] != task.box.offsets[1:]:
            return None
    begin = row * math.prod(local.shape[1:]) * local.element_size()
    flat = local.view(-1).view(torch.uint8)
    return flat.numpy().data[begin : begin + size_bytes]


def _copy_overlap(whole: torch.Tensor, task: _Task) -> None:
    common = overlap(task.piece.offsets, task.piece.lengths, task.box.offsets, task.box.local.shape)
    assert common is not None
    source, target = whole, task.box.local
    for axis, (begin, length) in enumerate(zip(*common, strict=True)):
        source = source.narrow(axis, begin - task.piece.offsets[axis], length)
        target = target.narrow(axis, begin - task.box.offsets[axis], length)
    target.copy_(source)
