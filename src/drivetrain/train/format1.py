"""Checkpoints of format 1, which torch's distributed checkpoint wrote: they stay readable.

Their index (`.metadata`, a pickle) is read without running what a pickle may ask for.
"""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta, TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load

from drivetrain.core.errors import CheckpointIncomplete, UnsafePickleError
from drivetrain.train.trees import Tensors

_ADMITTED = {
    "torch": {"Size", "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"}
    | {"uint16", "uint32", "uint64", "complex64", "complex128", "float8_e4m3fn", "float8_e5m2"},
    "torch.serialization": {"_get_layout"},
    "torch.distributed.checkpoint.metadata": {
        "BytesStorageMetadata",
        "ChunkStorageMetadata",
        "Metadata",
        "MetadataIndex",
        "StorageMeta",
        "TensorProperties",
        "TensorStorageMetadata",
        "_MEM_FORMAT_ENCODING",
    },
    "torch.distributed.checkpoint.filesystem": {"_StorageInfo"},
    "pathlib": {"PosixPath"},
    "pathlib._local": {"PosixPath"},
}


class _MetadataUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name not in _ADMITTED.get(module, ()):
            raise UnsafePickleError(
                f"it asks for {module}.{name}, which is no part of a checkpoint's index", hint="who wrote this file?"
            )
        return super().find_class(module, name)


def read_metadata(folder: Path) -> Metadata:
    """The index of a checkpoint folder.

    Raises: UnsafePickleError: it asks for more than torch's checkpoint classes, or is no such index at all.
    """
    path = folder / ".metadata"
    try:
        metadata = _MetadataUnpickler(io.BytesIO(path.read_bytes())).load()
    except UnsafePickleError as exc:
        raise UnsafePickleError(f"{path} was not opened: {exc.message}", hint=exc.hint) from exc
    except Exception as exc:
        raise UnsafePickleError(f"{path} is no checkpoint index: {exc}") from exc
    if not isinstance(metadata, Metadata):
        raise UnsafePickleError(f"{path} is no checkpoint index but a {type(metadata).__name__}")
    return metadata


class SafeReader(FileSystemReader):
    """Torch's reader, given an index that `read_metadata` has read."""

    def __init__(self, folder: Path, metadata: Metadata) -> None:
        super().__init__(str(folder))
        self._metadata = metadata

    def read_metadata(self, *_: Any, **__: Any) -> Metadata:
        """The index; reads no file."""
        if self._metadata.storage_meta is None:
            self._metadata.storage_meta = StorageMeta()
        self._metadata.storage_meta.load_id = self.load_id
        return self._metadata


def read_format1(
    folder: Path, rank: int | None, world_size: int, in_place: Callable[[dict[str, tuple[int, ...]]], Tensors]
) -> Tensors:
    """The tensors of a checkpoint: those that ranks share, and one rank's own. Collective.

    Args:
      rank: whose own tensors to read too; None for nobody's.
      in_place: given the shapes in the checkpoint, the live tensors to read into; the others are made.
    Raises: CheckpointIncomplete: a file cannot be read.
    """
    metadata = read_metadata(folder)
    stored = {
        name: entry
        for name, entry in metadata.state_dict_metadata.items()
        if isinstance(entry, TensorStorageMetadata)
        and (not name.startswith("rank/") or (rank is not None and name.startswith(f"rank/{rank}/")))
    }
    tensors = in_place({name: tuple(entry.size) for name, entry in stored.items()})
    for name, entry in stored.items():
        if name not in tensors and not name.startswith("ema/"):
            tensors[name] = torch.empty(entry.size, dtype=entry.properties.dtype)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="torch.distributed is disabled")
            load(tensors, storage_reader=SafeReader(folder, metadata), no_dist=world_size == 1)
    except CheckpointException as exc:
        rank_, (cause, _) = min(exc.failures.items(), key=lambda item: item[0])
        raise CheckpointIncomplete(f"{folder}: rank {rank_}: {cause!r}") from exc
    return tensors
