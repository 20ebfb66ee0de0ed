"""Decoded events, block after block, -> the columns of a `Trace`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from drivetrain.profile.read.events import Args, RawEvent, kind_of
from drivetrain.profile.trace import DEVICE_KINDS, NONE, Collective, Indices, Ints, MemoryColumns, Origin, Trace

_Key = TypeVar("_Key")
_NO_ARGS = Args()


class Interned(dict[_Key, int]):
    """Numbers things as they come."""

    def __missing__(self, key: _Key) -> int:
        self[key] = number = len(self)
        return number


class Gatherer:
    """Takes events in the order of the file; `trace` puts them in order of time.

    Attributes:
      skipped: what could not be used, and how often.
    """

    def __init__(self) -> None:
        self.skipped: Counter[str] = Counter()
        self._names: Interned[str] = Interned()
        self._threads: Interned[tuple[str, str]] = Interned()
        self._texts: Interned[str] = Interned()
        self._collectives: Interned[Collective] = Interned()
        self._blocks: list[dict[str, npt.NDArray[np.generic]]] = []
        self._changes: list[dict[str, npt.NDArray[np.generic]]] = []

    def add(self, events: Sequence[RawEvent]) -> None:
        """Take a block."""
        spans, changes = [], []
        for event in events:
            if event.ph == "X":
                if event.ts is None or event.dur is None or event.dur < 0:
                    self.skipped["an event without a time or duration"] += 1
                else:
                    spans.append(event)
            elif event.name == "[memory]" and event.ts is not None and event.args is not None:
                changes.append(event)
        if spans:
            self._blocks.append(self._spans(spans))
        if changes:
            self._changes.append(self._memory(changes))

    def _spans(self, events: list[RawEvent]) -> dict[str, npt.NDArray[np.generic]]:
        args = [event.args or _NO_ARGS for event in events]
        kind = np.array([kind_of(event.cat) for event in events], np.uint8)
        ids = [_first(each.external, each.external_old) for each in args]
        return {
            "ts_ns": _ns([event.ts for event in events]),
            "dur_ns": _ns([event.dur for event in events]),
            "name": np.array([self._names[event.name] for event in events], np.int32),
            "kind": kind,
            "thread": np.array(
                [self._thread(event, each, of) for event, each, of in zip(events, args, kind.tolist(), strict=True)],
                np.int32,
            ),
            "device": _ints([each.device for each in args], np.int32),
            "stream": _ints([each.stream for each in args], np.int32),
            "correlation": _ints([each.correlation for each in args], np.int64),
            "external": _ints(ids, np.int64),
            "sequence": _ints([each.sequence for each in args], np.int64),
            "dims": self._text_column([_raw(each.dims) for each in args]),
            "types": self._text_column([_raw(each.types) for each in args]),
            "stack": self._text_column([each.stack or None for each in args]),
            "python_parent": _ints([each.python_parent for each in args], np.int32),
            "python_id": _ints([each.python_id for each in args], np.int32),
            "size_bytes": _ints([each.size_bytes for each in args], np.int64),
            "collective": np.array([self._collective(each) for each in args], np.int32),
        }

    def _thread(self, event: RawEvent, args: Args, kind: int) -> int:
        if kind in DEVICE_KINDS and args.device is not None and args.stream is not None:
            return self._threads[f"device {args.device}", f"stream {args.stream}"]
        return self._threads[str(event.pid), str(event.tid)]

    def _text_column(self, texts: list[str | None]) -> Indices:
        numbers = self._texts
        return np.array([NONE if text is None else numbers[text] for text in texts], np.int32)

    def _collective(self, args: Args) -> int:
        if args.collective is None:
            return NONE
        return self._collectives[
            Collective(
                args.collective,
                args.in_elements or 0,
                args.out_elements or 0,
                args.dtype or "",
                args.group or "",
                args.group_size or 0,
            )
        ]

    def _memory(self, events: list[RawEvent]) -> dict[str, npt.NDArray[np.generic]]:
        args = [event.args or _NO_ARGS for event in events]
        return {
            "ts_ns": _ns([event.ts for event in events]),
            "size_bytes": _ints([each.changed_bytes or 0 for each in args], np.int64),
            "total_bytes": _ints([each.total_bytes for each in args], np.int64),
            "device": _ints([each.device_index if each.device_kind else None for each in args], np.int32),
            "address": _ints([each.address for each in args], np.int64),
            "thread": np.array([self._threads[str(event.pid), str(event.tid)] for event in events], np.int32),
        }

    def trace(self, make_origin: Callable[[int, Counter[str]], Origin]) -> Trace:
        """All that was taken.

        Args:
          make_origin: given the time that columns count from, in ns as events of the file count, and what was skipped.
        """
        spans = _joined(self._blocks, _SPAN_TYPES)
        changes = _joined(self._changes, _MEMORY_TYPES)
        begins = [columns["ts_ns"].min() for columns in (spans, changes) if len(columns["ts_ns"])]
        base_ns = int(min(begins, default=0))
        for columns in (spans, changes):
            columns["ts_ns"] = columns["ts_ns"] - base_ns
        order = np.lexsort((-spans["dur_ns"], spans["ts_ns"]))
        by_time = np.argsort(changes["ts_ns"], kind="stable")
        return Trace(
            origin=make_origin(base_ns, self.skipped),
            names=tuple(self._names),
            threads=tuple(self._threads),
            texts=tuple(self._texts),
            collectives=tuple(self._collectives),
            memory=MemoryColumns(**{name: column[by_time] for name, column in changes.items()}),
            **{name: column[order] for name, column in spans.items()},
        )


_I64, _I32, _U8 = np.dtype(np.int64), np.dtype(np.int32), np.dtype(np.uint8)
_SPAN_TYPES = {
    "ts_ns": _I64,
    "dur_ns": _I64,
    "name": _I32,
    "kind": _U8,
    "thread": _I32,
    "device": _I32,
    "stream": _I32,
    "correlation": _I64,
    "external": _I64,
    "sequence": _I64,
    "dims": _I32,
    "types": _I32,
    "stack": _I32,
    "python_parent": _I32,
    "python_id": _I32,
    "size_bytes": _I64,
    "collective": _I32,
}
_MEMORY_TYPES = {
    "ts_ns": _I64,
    "size_bytes": _I64,
    "total_bytes": _I64,
    "device": _I32,
    "address": _I64,
    "thread": _I32,
}


def _joined(blocks: list[dict[str, npt.NDArray[np.generic]]], types: dict[str, Any]) -> dict[str, npt.NDArray[Any]]:
    if not blocks:
        return {name: np.empty(0, dtype) for name, dtype in types.items()}
    return {name: np.concatenate([block[name] for block in blocks]) for name in types}


def _ns(times_us: Iterable[float | None]) -> Ints:
    """Microseconds as floats: whole ones are exact, parts to 0.25 us where they count from 1970."""
    part_us, whole_us = np.modf(np.array(list(times_us), np.float64))
    times_ns: Ints = whole_us.astype(np.int64) * 1000 + np.rint(part_us * 1000).astype(np.int64)
    return times_ns


def _ints(values: list[int | None], dtype: type[np.signedinteger[Any]]) -> npt.NDArray[Any]:
    return np.array([NONE if value is None else value for value in values], dtype)


def _first(value: int | None, other: int | None) -> int | None:
    return other if value is None else value


def _raw(value: msgspec.Raw) -> str | None:
    return bytes(value).decode() or None
