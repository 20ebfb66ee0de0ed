"""Decoded events, block after block, -> the columns of a `Trace`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import compress

import numpy as np

from drivetrain.profile.read.columns import (
    MEMORY_TYPES,
    SPAN_TYPES,
    Columns,
    in_order,
    integers,
    joined,
    nanoseconds,
    order_of,
)
from drivetrain.profile.read.details import Details
from drivetrain.profile.read.events import Args, RawEvent
from drivetrain.profile.read.intern import Kinds, Lanes, Numbers, Streams, numbers
from drivetrain.profile.read.pairs import BEGIN_TYPES, END_TYPES, durations
from drivetrain.profile.trace import DEVICE_KINDS, NONE, Indices, MemoryColumns, Origin, Trace

_LATEST_US = 4e15
"""Of times and durations: two of them, in ns, fit into 64 bits with room to spare. From 1970 it is the year 2096."""
_NO_ARGS = Args()


class Gatherer:
    """Takes events in the order of the file; `trace` puts them in order of time.

    Attributes:
      num_events: all that came and said what they are.
      skipped: what could not be used, and how often.
    """

    def __init__(self, skipped: Counter[str]) -> None:
        self.num_events = 0
        self.skipped = skipped
        self._kinds = Kinds()
        self._names: Numbers[str] = Numbers()
        self._threads: Numbers[tuple[str, str]] = Numbers()
        self._lanes = Lanes(self._threads)
        self._pairing = Lanes(Numbers())
        self._streams = Streams(self._threads)
        self._details = Details()
        self._spans: list[tuple[int, Columns]] = []
        self._changes: list[tuple[int, Columns]] = []
        self._begins: list[tuple[int, Columns]] = []
        self._ends: list[tuple[int, Columns]] = []
        self._num_spans = self._num_seen = 0

    def add(self, events: Sequence[RawEvent]) -> None:
        """Take a block."""
        phases = [event.ph for event in events]
        if phases.count("X") == len(events):
            self._add_spans(events)
        else:
            self._add_changes([event for event in events if event.name == "[memory]" and event.ph != "X"])
            if "B" in phases or "E" in phases:
                self._add_halves(events)
            else:
                self._add_spans([event for event in events if event.ph == "X"])
        num_mute = phases.count("")
        if num_mute:
            self.skipped["an event that does not say what it is"] += num_mute
        self.num_events += len(events) - num_mute
        self._num_seen += len(events)

    def _add_spans(self, events: Sequence[RawEvent]) -> Sequence[RawEvent]:
        """Append rows; the events that they are of."""
        events, columns = self._timed(events)
        num = len(events)
        if not num:
            return events
        kinds = [self._kinds[event.cat] for event in events]
        columns["kind"] = np.array(kinds, np.int8)
        columns["name"] = numbers(self._names, [event.name for event in events], num)
        columns["thread"] = np.empty(num, np.int32)
        for kind in set(kinds):
            rows = slice(None) if kinds.count(kind) == num else np.flatnonzero(columns["kind"] == kind)
            of_kind = events if isinstance(rows, slice) else [events[row] for row in rows.tolist()]
            details = self._details.columns(kind, [event.args or _NO_ARGS for event in of_kind])
            details["thread"] = self._thread(kind, of_kind, details)
            for name, column in details.items():
                if name not in columns:
                    columns[name] = np.full(num, NONE, SPAN_TYPES[name])
                columns[name][rows] = column
        self._spans.append((num, columns))
        self._num_spans += num
        return events

    def _timed(self, events: Sequence[RawEvent]) -> tuple[Sequence[RawEvent], Columns]:
        """Those whose times make sense, and these times."""
        ts_us = np.array([event.ts for event in events], np.float64)  # None becomes NaN
        dur_us = np.array([event.dur for event in events], np.float64)
        is_good = (np.abs(ts_us) <= _LATEST_US) & (dur_us >= 0) & (dur_us <= _LATEST_US)
        if not is_good.all():
            is_missing = np.isnan(ts_us) | np.isnan(dur_us)
            reasons = {
                "an event without a time or duration": is_missing,
                "an event with a negative duration": ~is_missing & (dur_us < 0),
                "an event at an impossible time": ~is_missing & (dur_us >= 0) & ~is_good,
            }
            self.skipped.update({reason: int(bad.sum()) for reason, bad in reasons.items() if bad.any()})
            events, ts_us, dur_us = list(compress(events, is_good)), ts_us[is_good], dur_us[is_good]
        return events, {"ts_ns": nanoseconds(ts_us), "dur_ns": nanoseconds(dur_us)}

    def _add_halves(self, events: Sequence[RawEvent]) -> None:
        """Append complete events, and those that are a begin and an end, of a block that has such."""
        places = {id(event): place for place, event in enumerate(events, self._num_seen) if event.ph in ("B", "E")}
        spans = [event for event in events if event.ph in ("X", "B")]
        for event in spans:
            if event.ph == "B":
                event.dur = 0.0
        first = self._num_spans
        rows, begins = [], []
        for row, event in enumerate(self._add_spans(spans), first):
            if event.ph == "B":
                rows.append(row)
                begins.append(event)
        self._begins.append((len(rows), {"row": np.array(rows, np.int64), **self._halves(begins, places)}))
        ends = [event for event in events if event.ph == "E"]
        is_good = [event.ts is not None and abs(event.ts) <= _LATEST_US for event in ends]
        if not all(is_good):
            self.skipped["an event without a time or duration"] += is_good.count(False)
            ends = list(compress(ends, is_good))
        self._ends.append((len(ends), self._halves(ends, places)))

    def _halves(self, events: Sequence[RawEvent], places: Mapping[int, int]) -> Columns:
        """Begins or ends, for `pairs`."""
        return {
            "ts_ns": nanoseconds(np.array([event.ts for event in events], np.float64)),
            "thread": numbers(self._pairing, [(event.pid, event.tid) for event in events], len(events)),
            "place": np.array([places[id(event)] for event in events], np.int64),
        }

    def _thread(self, kind: int, events: Sequence[RawEvent], details: Columns) -> Indices:
        if kind in DEVICE_KINDS and "device" in details and "stream" in details:
            where = zip(events, details["device"].tolist(), details["stream"].tolist(), strict=True)
            found = [
                self._lanes[event.pid, event.tid] if NONE in (device, stream) else self._streams[device, stream]
                for event, device, stream in where
            ]
            return np.array(found, np.int32)
        return numbers(self._lanes, [(event.pid, event.tid) for event in events], len(events))

    def _add_changes(self, events: Sequence[RawEvent]) -> None:
        """Changes of allocated memory."""
        events = [event for event in events if event.args is not None and event.ts is not None]
        events = [event for event in events if event.ts is not None and abs(event.ts) <= _LATEST_US]
        if not events:
            return
        args = [event.args or _NO_ARGS for event in events]
        values: dict[str, list[int | None]] = {
            "size_bytes": [each.changed_bytes or 0 for each in args],
            "total_bytes": [each.total_bytes for each in args],
            "device": [each.device_index if each.device_kind not in (None, NONE, 0) else NONE for each in args],
            "address": [each.address for each in args],
            "thread": [self._lanes[event.pid, event.tid] for event in events],
        }
        columns = {name: integers(column, MEMORY_TYPES[name]) for name, column in values.items()}
        columns["ts_ns"] = nanoseconds(np.array([event.ts for event in events], np.float64))
        self._changes.append((len(events), columns))

    def trace(self, make_origin: Callable[[int], Origin]) -> Trace:
        """All that was taken; the gatherer is empty afterwards.

        Args:
          make_origin: given the time that columns count from, in ns as events of the file count.
        """
        spans = self._closed(joined(self._spans, SPAN_TYPES))
        changes = joined(self._changes, MEMORY_TYPES)
        base_ns = int(min((columns["ts_ns"].min() for columns in (spans, changes) if len(columns["ts_ns"])), default=0))
        for columns in (spans, changes):
            columns["ts_ns"] -= base_ns
        spans = in_order(spans, order_of(spans["ts_ns"], spans["dur_ns"]))
        spans["kind"] = spans["kind"].view(np.uint8)
        changes = in_order(changes, np.argsort(changes["ts_ns"], kind="stable"))
        return Trace(
            origin=make_origin(base_ns),
            names=tuple(self._names),
            threads=tuple(self._threads),
            texts=tuple(self._details.texts),
            collectives=tuple(self._details.collectives),
            memory=MemoryColumns(**changes),
            **spans,
        )

    def _closed(self, spans: Columns) -> Columns:
        """Spans with the durations of those that were written as a begin and an end, without those that never end."""
        begins, ends = joined(self._begins, BEGIN_TYPES), joined(self._ends, END_TYPES)
        if not len(begins["row"]) and not len(ends["place"]):
            return spans
        found, num_lone = durations(begins, ends)
        spans["dur_ns"][begins["row"]] = found
        is_closed = spans["dur_ns"] != NONE
        reasons = {"a begin without an end": int((found == NONE).sum()), "an end without a begin": num_lone}
        self.skipped.update({reason: count for reason, count in reasons.items() if count})
        return {name: column[is_closed] for name, column in spans.items()}
