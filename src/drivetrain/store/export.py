"""A checkpoint's weights as one safetensors file, under their own names, for people without Drivetrain."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from drivetrain.core.errors import StoreError, UsageError
from drivetrain.store.checkpoints import CheckpointManifest
from drivetrain.store.layout import DTYPES, Block, StoredTensor, plan_file
from drivetrain.store.publish import DISK_HINT, sync_folder
from drivetrain.store.shelf import Shelf
from drivetrain.store.verify import incomplete, open_shard, read_verified

_OF_PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl")


def export_weights(shelf: Shelf, step: int, path: Path, *, averaged: bool = False, force: bool = False) -> None:
    """Write the weights and buffers of a checkpoint into one file, verified on the way.

    Args:
      averaged: averaged weights in place of the last ones.
      force: write over a file that is there.
    Raises:
      UsageError: the file is there, the checkpoint holds no averages, or is of format 1.
      CheckpointIncomplete: it is damaged.
      StoreError: the disk would not take it.
    """
    manifest = shelf.manifest(step)
    if manifest.format == 1:
        raise UsageError(f"the checkpoint of step {step} has format 1", hint="resume from it, then run.export(path)")
    sources = _sources(manifest, averaged)
    blocks = {
        name: _block(name, manifest.tensors[source].dtype, manifest.tensors[source].shape)
        for name, source in sources.items()
    }
    write_safetensors(
        path, blocks, lambda name: _assembled(shelf, manifest, manifest.tensors[sources[name]]), force=force
    )


def write_safetensors(
    path: Path, blocks: Mapping[str, Block], data: Callable[[str], bytes], *, force: bool = False
) -> None:
    """Write one file whole or not at all.

    Args:
      blocks: whole tensors by name.
      data: a function from a name to the bytes of its tensor; called once for each, in the file's order.
    Raises:
      UsageError: the file is there, and not `force`; or its ending is of another format.
      StoreError: the disk would not take it.
    """
    if path.suffix in _OF_PICKLES:
        raise UsageError(
            f"{path} says by its ending that it is pickled, but what is written is safetensors",
            hint="call it NAME.safetensors; `safetensors.torch.load_file` makes a state dict of it",
        )
    if path.exists() and not force:
        raise UsageError(f"{path} exists already", hint="choose another name, or write over it with --force")
    plan = plan_file(list(blocks.values()))
    aside = path.with_name(f".{path.name}.{os.getpid()}.incomplete")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            file.write(plan.header)
            for block, _ in plan.blocks:
                file.write(data(block.name))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    except OSError as exc:
        raise StoreError(f"cannot write {path}: {exc.strerror}", hint=DISK_HINT) from exc
    finally:
        with suppress(OSError):
            aside.unlink()


def whole_block(name: str, dtype: str, shape: Iterable[int]) -> Block:
    """A whole tensor, as `write_safetensors` takes it."""
    return _block(name, dtype, tuple(shape))


def _sources(manifest: CheckpointManifest, averaged: bool) -> dict[str, str]:
    """The tensor of the checkpoint behind each name of the model."""
    found = {name.removeprefix("model/"): name for name in manifest.tensors if name.startswith("model/")}
    if averaged:
        averages = {name.removeprefix("ema/"): name for name in manifest.tensors if name.startswith("ema/")}
        if not averages:
            raise UsageError(f"the checkpoint of step {manifest.step} holds no averaged weights")
        found |= averages
    return found


def _block(name: str, dtype: str, shape: tuple[int, ...]) -> Block:
    return Block(name, dtype, shape, (0,) * len(shape), shape, is_everywhere=True)


def _assembled(shelf: Shelf, manifest: CheckpointManifest, stored: StoredTensor) -> bytes:
    import numpy as np

    kind = np.dtype((np.void, DTYPES[stored.dtype].size_bytes))
    whole = np.empty(stored.shape, kind)
    for piece in stored.pieces:
        part = np.empty(piece.lengths, kind)
        reader = open_shard(shelf, manifest, piece.file)
        try:
            target = part.reshape(-1).view(np.uint8).data if part.size else memoryview(bytearray())
            problem = read_verified(reader, piece.begin, target, piece.xxh3, "a tensor")
        finally:
            reader.close()
        if problem:
            raise incomplete(shelf, manifest, piece.file, problem)
        spans = zip(piece.offsets, piece.lengths, strict=True)
        whole[tuple(slice(begin, begin + length) for begin, length in spans)] = part
    content: bytes = whole.tobytes()
    return content
