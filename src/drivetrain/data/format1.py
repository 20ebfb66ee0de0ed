"""Data sets of the first format: one index, images and label maps only; read, no longer written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa

from drivetrain.store import StoredFile

_PARTS = {"image": "image.jpg", "label": "label.png"}


@dataclass(frozen=True, slots=True)
class Format1:
    """The manifest as it was."""

    version: str
    inputs: dict[str, str]
    classes: tuple[str, ...]
    width: int
    height: int
    num_samples: dict[str, int]
    num_unmatched: int
    tolerance_ns: int
    labelled_pct: float
    skipped: dict[str, str]
    unknown_classes: tuple[str, ...]
    files: dict[str, StoredFile]


def read_format_1(data: bytes) -> Format1:
    """The manifest in a file's content; raises msgspec.DecodeError."""
    return msgspec.json.decode(data, type=Format1)


def index_of_format_1(table: pa.Table) -> pa.Table:
    """An index of the first format as one of today: where a part's bytes are is one column of structs."""
    import pyarrow.compute as pc

    columns: dict[str, Any] = {
        name: table[name] for name in table.column_names if not name.startswith(("image_", "label_"))
    }
    for name in ("split", "shard"):
        columns[name] = pc.dictionary_encode(columns[name])
    for old, part in _PARTS.items():
        names = ["offset", "bytes", "crc32"]
        columns[part] = pa.StructArray.from_arrays([table[f"{old}_{n}"].combine_chunks() for n in names], names=names)
    return pa.table(columns)
