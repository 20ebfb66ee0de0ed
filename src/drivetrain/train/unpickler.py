"""Read torch's checkpoint index (`.metadata`, a pickle) without running what a pickle may ask for."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta

from drivetrain.core.errors import UnsafePickleError

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
