"""How tensors lie in a checkpoint's files: who writes which block, and where in the file it stands; pure.

Each rank writes one file of the public safetensors format: 8 bytes of length (little-endian), that many bytes of JSON,
then the blocks without holes. A block is a box of a tensor: the whole, some of its first axis, or a rank's shard.
"""

from __future__ import annotations

import heapq
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from drivetrain.core.errors import DataError

PIECE_BYTES = 64 << 20
"""Larger blocks are cut along their first axis: pieces are what threads share out, and what is hashed and verified."""

_ALIGNMENT = 64
_MAX_HEADER_BYTES = 100_000_000  # what the safetensors library admits


@dataclass(frozen=True, slots=True)
class Dtype:
    """One element as safetensors names it; `tail` are axes that it adds (a complex number is two real ones)."""

    code: str
    size_bytes: int
    tail: tuple[int, ...] = ()


DTYPES: Mapping[str, Dtype] = {
    "float64": Dtype("F64", 8),
    "float32": Dtype("F32", 4),
    "float16": Dtype("F16", 2),
    "bfloat16": Dtype("BF16", 2),
    "float8_e4m3fn": Dtype("F8_E4M3", 1),
    "float8_e5m2": Dtype("F8_E5M2", 1),
    "int64": Dtype("I64", 8),
    "int32": Dtype("I32", 4),
    "int16": Dtype("I16", 2),
    "int8": Dtype("I8", 1),
    "uint64": Dtype("U64", 8),
    "uint32": Dtype("U32", 4),
    "uint16": Dtype("U16", 2),
    "uint8": Dtype("U8", 1),
    "bool": Dtype("BOOL", 1),
    "complex128": Dtype("F64", 16, (2,)),
    "complex64": Dtype("F32", 8, (2,)),
}
"""By torch's name."""


@dataclass(frozen=True, slots=True)
class Block:
    """A box of a named tensor that this rank holds.

    Attributes:
      dtype: a key of `DTYPES`.
      shape: of the whole tensor.
      offsets: where in it the block begins, by axis.
      lengths: of the block, by axis.
      is_everywhere: every rank holds it, so that any may write it; else this rank must.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    offsets: tuple[int, ...]
    lengths: tuple[int, ...]
    is_everywhere: bool

    @property
    def size_bytes(self) -> int:
        """Of its elements."""
        return math.prod(self.lengths) * DTYPES[self.dtype].size_bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """A block as it stands in a file.

    Attributes:
      file: its name in the checkpoint's folder.
      offsets, lengths: see `Block`.
      begin: its first byte in the file.
      xxh3: XXH3-128 of its bytes, hex; empty before they are written.
    """

    file: str
    offsets: tuple[int, ...]
    lengths: tuple[int, ...]
    begin: int
    xxh3: str = ""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor in a checkpoint: its dtype (a key of `DTYPES`), the shape of the whole, and the pieces it is made of."""

    dtype: str
    shape: tuple[int, ...]
    pieces: tuple[Piece, ...]

    def size_bytes(self, piece: Piece) -> int:
        """Of one of its pieces."""
        return math.prod(piece.lengths) * DTYPES[self.dtype].size_bytes

    @property
    def is_covered(self) -> bool:
        """Whether the pieces have as many elements as the tensor."""
        return sum(math.prod(piece.lengths) for piece in self.pieces) == math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class FilePlan:
    """What one rank writes.

    Attributes:
      header: the beginning of the file.
      blocks: with the byte of the file where each begins, in order and without holes after the header.
      size_bytes: of the whole file.
    """

    header: bytes
    blocks: tuple[tuple[Block, int], ...]
    size_bytes: int


def share_out(blocks: Sequence[Block], rank: int, world_size: int) -> list[Block]:
    """The blocks, cut where they are large, that this rank is to write.

    Those that every rank holds are shared so that all write about as much; each rank comes to the same result by
    itself, as long as all hold the same.
    """
    everywhere = [block for block in blocks if block.is_everywhere]
    num_bytes = sum(block.size_bytes for block in everywhere)
    limit = PIECE_BYTES if world_size == 1 else min(PIECE_BYTES, max(num_bytes // (4 * world_size), 1 << 20))
    mine = [part for block in blocks if not block.is_everywhere for part in _cut(block, PIECE_BYTES)]
    loads = [(0, other) for other in range(world_size)]
    parts = [part for block in everywhere for part in _cut(block, limit)]
    for part in sorted(parts, key=lambda part: -part.size_bytes):
        load, other = heapq.heappop(loads)
        heapq.heappush(loads, (load + part.size_bytes, other))
        if other == rank:
            mine.append(part)
    return mine


def plan_file(blocks: Sequence[Block]) -> FilePlan:
    """The file that holds these blocks. Wide elements come first: each block begins at a multiple of its own."""
    ordered = sorted(blocks, key=lambda block: (-DTYPES[block.dtype].size_bytes, block.name, block.offsets))
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    begins, end = [], 0
    for block in ordered:
        dtype = DTYPES[block.dtype]
        begins.append(end)
        end += block.size_bytes
        entries[_name_in_file(block)] = {
            "dtype": dtype.code,
            "shape": [*block.lengths, *dtype.tail],
            "data_offsets": [begins[-1], end],
        }
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % _ALIGNMENT)
    header = len(text).to_bytes(8, "little") + text
    placed = tuple((block, len(header) + begin) for block, begin in zip(ordered, begins, strict=True))
    return FilePlan(header, placed, len(header) + end)


def read_header(beginning: bytes, size_bytes: int) -> dict[str, tuple[str, tuple[int, ...], int, int]]:
    """What a safetensors file holds: by name its dtype's code, shape, and first and last byte in the file.

    Args:
      beginning: at least the file's header.
      size_bytes: of the whole file.
    Raises: DataError: it is no such file, or names bytes that it has not.
    """
    num_bytes = int.from_bytes(beginning[:8], "little")
    if not 2 <= num_bytes <= min(_MAX_HEADER_BYTES, size_bytes - 8, len(beginning) - 8):
        raise DataError(f"its header should have {num_bytes} bytes, but the file has {size_bytes}")
    found = {}
    try:
        entries = json.loads(beginning[8 : 8 + num_bytes])
        for name, entry in entries.items():
            if name != "__metadata__":
                begin, end = (8 + num_bytes + offset for offset in entry["data_offsets"])
                shape = tuple(entry["shape"])
                if not 8 + num_bytes <= begin <= end <= size_bytes or any(length < 0 for length in shape):
                    raise DataError(f"{name} is said to be at bytes {begin} to {end} of {size_bytes}")
                found[name] = (str(entry["dtype"]), shape, begin, end)
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise DataError(f"its header is not that of a safetensors file: {exc!r}") from exc
    return found


def merge(parts: Sequence[Mapping[str, StoredTensor]]) -> dict[str, StoredTensor]:
    """The tensors of all ranks' files.

    Raises: DataError: ranks disagree, or some of a tensor is written by nobody.
    """
    merged: dict[str, StoredTensor] = {}
    for part in parts:
        for name, stored in part.items():
            known = merged.get(name)
            if known is None:
                merged[name] = stored
                continue
            if (known.dtype, known.shape) != (stored.dtype, stored.shape):
                raise DataError(
                    f"{name} is {known.dtype} {known.shape} on one rank, {stored.dtype} {stored.shape} on another"
                )
            merged[name] = replace(known, pieces=known.pieces + stored.pieces)
    for name, stored in merged.items():
        if not stored.is_covered:
            raise DataError(
                f"the ranks' pieces of {name} do not make up its shape {stored.shape}: ranks hold different states"
            )
    return merged


def overlap(
    offsets: Sequence[int], lengths: Sequence[int], other_offsets: Sequence[int], other_lengths: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Offsets and lengths of what two boxes have in common; None when that is nothing."""
    begins = tuple(map(max, offsets, other_offsets))
    ends = map(
        min, map(sum, zip(offsets, lengths, strict=True)), map(sum, zip(other_offsets, other_lengths, strict=True))
    )
    sizes = tuple(end - begin for begin, end in zip(begins, ends, strict=True))
    return None if any(size <= 0 for size in sizes) else (begins, sizes)


def _cut(block: Block, limit: int) -> Iterator[Block]:
    if block.size_bytes <= limit or not block.lengths:
        yield block
        return
    rows_bytes = block.size_bytes // block.lengths[0]
    step = max(limit // rows_bytes, 1)
    for start in range(0, block.lengths[0], step):
        yield replace(
            block,
            offsets=(block.offsets[0] + start, *block.offsets[1:]),
            lengths=(min(step, block.lengths[0] - start), *block.lengths[1:]),
        )


def _name_in_file(block: Block) -> str:
    if block.lengths == block.shape:
        return block.name
    spans = (f"{begin}:{begin + length}" for begin, length in zip(block.offsets, block.lengths, strict=True))
    return f"{block.name}[{','.join(spans)}]"
