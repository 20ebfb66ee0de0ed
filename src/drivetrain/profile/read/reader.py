"""A trace file, plain or gzipped, -> a `Trace`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from drivetrain.core.errors import DataError
from drivetrain.profile.read.blocks import BLOCK_BYTES, Blocks
from drivetrain.profile.read.gather import Gatherer
from drivetrain.profile.read.metadata import origin
from drivetrain.profile.read.source import pieces
from drivetrain.profile.trace import Trace


def read_trace(path: str | Path) -> Trace:
    """Read one process's trace, as torch.profiler and Chrome write it: `.json` or `.json.gz`.

    Memory stays a small multiple of the columns', whatever the file's size. What cannot be read is skipped and counted
    in `Trace.origin.skipped`.

    Raises: DataError: there is no such file, it is not a trace, or nothing of it can be read.
    """
    path = Path(path)
    skipped: Counter[str] = Counter()
    return read_text(path.name, pieces(path, skipped), skipped)


def trace_of(events: Sequence[Mapping[str, object]], *, name: str = "events", **metadata: object) -> Trace:
    """The trace that a file with these events would be read as.

    Args:
      events: objects of `traceEvents`, times in microseconds.
      name: what `Origin.name` says.
      metadata: what the file has beside its events, such as `distributedInfo={"rank": 3}`.
    """
    text = msgspec.json.encode({**metadata, "traceEvents": events})
    return read_text(name, iter([text]), Counter())


def read_text(name: str, text: Iterator[bytes], skipped: Counter[str], *, block_bytes: int = BLOCK_BYTES) -> Trace:
    """Read a trace that comes in pieces.

    Args:
      name: of the file, for people.
      text: of it, cut anywhere.
      skipped: what could not be read; grows.
      block_bytes: decoded at once.
    """
    gatherer = Gatherer(skipped)
    blocks = Blocks(name, text, skipped, block_bytes=block_bytes)
    for events in blocks:
        gatherer.add(events)
    if skipped and not gatherer.num_events:
        what = "; ".join(f"{reason}: {count}" for reason, count in skipped.items())
        raise DataError(f"nothing of {name} can be read ({what})", hint="is it a trace, and was it copied whole?")
    return gatherer.trace(lambda base_ns: origin(name, base_ns, blocks.members, skipped))
