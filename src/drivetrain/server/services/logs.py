"""What ranks printed, piece by piece: files of a run's logs, read from where a reader stopped."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import SEEK_END
from pathlib import Path

from drivetrain.compute.agent.tasks import TASK_MARK
from drivetrain.store import run_folder

MOST_BYTES = 1 << 20
_MOST_LINE_CHARS = 300
_LONG_LINE_BYTES = 1000
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
    parts, left = [], most_bytes
    for attempt, of_rank, path in _logs(run):
        begin = max(0, cursor.get(path.name, 0))
        if rank not in (None, of_rank) or left <= 0 or path.stat().st_size <= begin:
            continue
        with path.open("rb") as file:
            file.seek(begin)
            data = _whole_characters(file.read(left))
        left -= len(data)
        parts.append(Piece(path.name, attempt, of_rank, data.decode(errors="replace"), begin + len(data)))
    return parts


def pieces_of_workers(runs: Sequence[str], cursor: Mapping[str, int], *, rank: int | None) -> list[Piece]:
    """Likewise of an array: of the runs of its workers. Files are named `NUMBER/FILE`, by number of the run."""
    found: list[Piece] = []
    left = MOST_BYTES
    for number, run in enumerate(runs):
        begin = f"{number}/"
        own = {name.removeprefix(begin): end for name, end in cursor.items() if name.startswith(begin)}
        new = pieces(run, own, rank=rank, most_bytes=left)
        found += [replace(piece, file=begin + piece.file) for piece in new]
        left -= sum(piece.end - own.get(piece.file, 0) for piece in new)
    return found


def before_last(run: str, num_lines: int) -> dict[str, int]:
    """A cursor past all but the last lines of each rank, of its last attempt; of very long lines the end alone."""
    cursor: dict[str, int] = {}
    last: dict[int, Path] = {}
    for _, rank, path in _logs(run):
        cursor[path.name] = path.stat().st_size
        last[rank] = path
    return cursor | {path.name: _begin_of_last(path, num_lines) for path in last.values()}


def _begin_of_last(path: Path, num_lines: int) -> int:
    """Read backwards, no further than where lines would be very long."""
    with path.open("rb") as file:
        begin = size = file.seek(0, SEEK_END)
        least = max(0, size - max(MOST_BYTES, num_lines * _LONG_LINE_BYTES)) if num_lines else size
        num_ends = num_lines
        while begin > least:
            end, begin = begin, max(least, begin - MOST_BYTES)
            file.seek(begin)
            block = file.read(end - begin)
            num_ends += end == size and block.endswith(b"\n")  # what the last end of line ends is a line itself
            found = block.count(b"\n")
            if found >= num_ends:
                for _ in range(num_ends):
                    end = block.rfind(b"\n", 0, end)
                return begin + end + 1
            num_ends -= found
    return begin


def last_line(run: str, task: int) -> str:
    """What a worker's task printed last; empty where it printed nothing, or all too much has been printed since."""
    for path in sorted(run_folder(run).logs.glob("*.log")):
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - MOST_BYTES))
            _, mark, since = file.read(MOST_BYTES).rpartition(f"{TASK_MARK}{task}\n".encode())
        lines = since.partition(TASK_MARK.encode())[0].decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        if mark and said:
            return said[-1][:_MOST_LINE_CHARS]
    return ""


def _logs(run: str) -> list[tuple[int, int, Path]]:
    """Attempt, rank and file, in order."""
    matches = ((_LOG.fullmatch(path.name), path) for path in run_folder(run).logs.glob("*.log"))
    return sorted((int(match[1]), int(match[2]), path) for match, path in matches if match)


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
