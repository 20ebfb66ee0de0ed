"""What ranks printed, piece by piece: files of a run's logs, read from where a reader stopped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from drivetrain.store import run_folder

MOST_BYTES = 1 << 20
_LOG = re.compile(r"attempt-([0-9]+)\.rank-([0-9]+)\.log")


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of what one rank printed. Attributes: end: where to go on reading, in bytes."""

    file: str
    attempt: int
    rank: int
    text: str
    end: int


def pieces(run: str, cursor: Mapping[str, int], *, rank: int | None, most_bytes: int = MOST_BYTES) -> list[Piece]:
    """What there is past a cursor, attempts in order and ranks within them.

    Args:
      cursor: by file, how far a reader is; bytes.
      rank: of one alone.
    """
    matches = ((_LOG.fullmatch(path.name), path) for path in run_folder(run).logs.glob("*.log"))
    found = [(int(match[1]), int(match[2]), path) for match, path in matches if match]
    parts, left = [], most_bytes
    for attempt, of_rank, path in sorted(found):
        begin = max(0, cursor.get(path.name, 0))
        if rank not in (None, of_rank) or left <= 0 or path.stat().st_size <= begin:
            continue
        with path.open("rb") as file:
            file.seek(begin)
            data = _whole_characters(file.read(left))
        left -= len(data)
        parts.append(Piece(path.name, attempt, of_rank, data.decode(errors="replace"), begin + len(data)))
    return parts


def _whole_characters(data: bytes) -> bytes:
    """Without the begin of a character whose end is still to come."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return data[:-back] if back < length else data
        if byte < 0x80:
            return data
    return data
