"""A trace file, plain or gzipped, -> a `Trace`."""

from __future__ import annotations

import itertools
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from drivetrain.core.errors import DataError
from drivetrain.profile.read.blocks import BLOCK_BYTES, Blocks
from drivetrain.profile.read.decode import events_of
from drivetrain.profile.read.events import RawEvent
from drivetrain.profile.read.gather import Gatherer
from drivetrain.profile.read.helpers import Helpers, Misread
from drivetrain.profile.read.metadata import origin
from drivetrain.profile.read.scan.machine import Machine, machine_code
from drivetrain.profile.read.source import pieces
from drivetrain.profile.trace import Trace

_LARGE_BYTES = 48 << 20
"""Of text; a helper takes about as long to start as the reading of half of this does."""
_SCANNED_BYTES = 16 << 20
"""Of text; to load machine code takes about as long as to decode this."""
_COMPILED_FOR_BYTES = 128 << 20
"""Of text; machine code that is not there yet is worth waiting for, once."""
_SCANNED_AT_ONCE_BYTES = 1 << 20
_MOST_REFUSED = 16
"""Blocks; where as many as that are, and most of all, helpers are quicker."""
_LEAST_RATIO = 8  # of the size of a trace to that of the same one compressed
_MOST_PROCESSES = 4  # more would wait for the one that cuts the text into blocks


class Unusual(Exception):  # noqa: N818 - what happened, not a fault
    """Machine code refuses most blocks of a file."""


def read_trace(
    path: str | Path, *, processes: int | None = None, advance: Callable[[int], None] | None = None
) -> Trace:
    """Read one process's trace, as torch.profiler and Chrome write it: `.json` or `.json.gz`.

    Memory stays a small multiple of the columns', whatever the file's size. What cannot be read is skipped and counted
    in `Trace.origin.skipped`.

    Args:
      path: of the file.
      processes: that decode it, where machine code cannot read it; as many as pay off for its size, unless told.
      advance: called, now and then, with how many bytes of the file have been read.
    Raises: DataError: there is no such file, it is not a trace, or nothing of it can be read.
    """
    path = Path(path)
    size_bytes = _text_bytes(path)
    num_helpers = (_worthwhile(size_bytes) if processes is None else processes) - 1
    if machine := _machine(size_bytes):
        with suppress(Unusual):
            return _read(path, advance, machine=machine, may_give_up=num_helpers > 0)
    if num_helpers > 0:
        with suppress(Misread), Helpers(num_helpers) as helpers:
            return _read(path, advance, helpers=helpers)
    return _read(path, advance)


def _text_bytes(path: Path) -> int:
    """About how much text is in a file; 0 where there is none."""
    try:
        return path.stat().st_size * (_LEAST_RATIO if path.suffix == ".gz" else 1)
    except OSError:
        return 0


def _worthwhile(size_bytes: int) -> int:
    if multiprocessing.parent_process() is not None:
        return 1  # this is one of several processes already
    return min(len(os.sched_getaffinity(0)), _MOST_PROCESSES) if size_bytes >= _LARGE_BYTES else 1


def _machine(size_bytes: int) -> Machine | None:
    """Machine code, where it is worth its time."""
    if size_bytes < _SCANNED_BYTES:
        return None
    return machine_code(may_be_made=size_bytes >= _COMPILED_FOR_BYTES)


def _read(
    path: Path,
    advance: Callable[[int], None] | None,
    *,
    helpers: Helpers | None = None,
    machine: Machine | None = None,
    may_give_up: bool = False,
) -> Trace:
    skipped: Counter[str] = Counter()
    block_bytes = _SCANNED_AT_ONCE_BYTES if machine else BLOCK_BYTES
    return read_text(
        path.name,
        pieces(path, skipped, advance),
        skipped,
        block_bytes=block_bytes,
        helpers=helpers,
        machine=machine,
        may_give_up=may_give_up,
    )


def trace_of(events: Sequence[Mapping[str, object]], *, name: str = "events", **metadata: object) -> Trace:
    """The trace that a file with these events would be read as.

    Args:
      events: objects of `traceEvents`, times in microseconds.
      name: what `Origin.name` says.
      metadata: what the file has beside its events, such as `distributedInfo={"rank": 3}`.
    """
    text = msgspec.json.encode({**metadata, "traceEvents": events})
    return read_text(name, iter([text]), Counter())


def read_text(
    name: str,
    text: Iterator[bytes],
    skipped: Counter[str],
    *,
    block_bytes: int = BLOCK_BYTES,
    helpers: Helpers | None = None,
    machine: Machine | None = None,
    may_give_up: bool = False,
) -> Trace:
    """Read a trace that comes in pieces.

    Args:
      name: of the file, for people.
      text: of it, cut anywhere.
      skipped: what could not be read; grows.
      block_bytes: decoded at once.
      helpers: that decode some of the blocks.
      machine: machine code that scans blocks before any is decoded.
      may_give_up: where it refuses most of them.
    Raises: DataError: it is not a trace. Misread: with helpers, it has to be read without. Unusual: it gave up.
    """
    gatherer = Gatherer(skipped, machine)
    blocks = Blocks(name, text, skipped, block_bytes=block_bytes)
    orders = itertools.count()
    scanned: Counter[bool] = Counter()

    def add(events: list[RawEvent]) -> None:
        gatherer.add(events, next(orders))

    def take(block: memoryview) -> bool:
        if machine:
            is_scanned = gatherer.scan(block, next(orders))
            scanned[is_scanned] += 1
            if is_scanned:
                return True
            if may_give_up and scanned[False] > max(_MOST_REFUSED, scanned[True]):
                raise Unusual
        if helpers and helpers.offer(block, next(orders)):
            return True
        events = events_of(block)
        if events is not None:
            add(events)
        return events is not None

    blocks.read(take, add)
    for gathered in helpers.gathered() if helpers else ():
        gatherer.absorb(gathered)
    if skipped and not gatherer.num_events:
        what = "; ".join(f"{reason}: {count}" for reason, count in skipped.items())
        raise DataError(f"nothing of {name} can be read ({what})", hint="is it a trace, and was it copied whole?")
    return gatherer.trace(lambda base_ns: origin(name, base_ns, blocks.members, skipped))
