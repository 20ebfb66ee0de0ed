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
from drivetrain.profile.trace import DEVICE_KINDS, NONE, Indices, Ints, MemoryColumns, Origin, Trace

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
        self._spans: list[Columns] = []
        self._changes: list[Columns] = []
        self._begins: list[Columns] = []
        self._ends: list[Columns] = []
        self._num_spans = self._num_seen = 0

    def add(self, events: Sequence[RawEvent]) -> None:
        """Take a block."""
        phases = [event.ph for event in events]
        if phases.count("X") == len(events):
            self._add_spans(events, {})
        else:
            places = {id(event): place for place, event in enumerate(events, self._num_seen) if event.ph in ("B", "E")}
            self._add_spans([event for event in events if event.ph == "X" or event.ph == "B"], places)
            self._add_changes([event for event in events if event.name == "[memory]" and event.ph != "X"])
            if "E" in phases:
                self._ends.append(self._halves([event for event in events if event.ph == "E"], places))
        num_mute = phases.count("")
        if num_mute:
            self.skipped["an event that does not say what it is"] += num_mute
        self.num_events += len(events) - num_mute
        self._num_seen += len(events)

    def _add_spans(self, events: Sequence[RawEvent], places: Mapping[int, int]) -> None:
        events, ts_ns, dur_ns = self._timed(events)
        if not events:
            return
        num = len(events)
        kinds = numbers(self._kinds, [event.cat for event in events], num).astype(np.uint8)
        columns: Columns = {name: np.full(num, NONE, dtype) for name, dtype in SPAN_TYPES.items() if name != "kind"}
        columns |= {"ts_ns": ts_ns, "dur_ns": dur_ns, "kind": kinds}
        columns["name"] = numbers(self._names, [event.name for event in events], num)
        for kind in np.unique(kinds).tolist():
            rows = np.flatnonzero(kinds == kind)
            of_kind = events if len(rows) == num else [events[row] for row in rows.tolist()]
            details = self._details.columns(kind, [event.args or _NO_ARGS for event in of_kind])
            details["thread"] = self._thread(kind, of_kind, details)
            for name, column in details.items():
                columns[name][rows] = column
        if places:
            self._begins.append(self._begun(events, places))
        self._spans.append(columns)
        self._num_spans += num

    def _timed(self, events: Sequence[RawEvent]) -> tuple[Sequence[RawEvent], Ints, Ints]:
        """Those whose times make sense, and these times."""
        ts_us = np.array([event.ts for event in events], np.float64)  # None becomes NaN
        dur_us = np.array([0.0 if event.ph == "B" else event.dur for event in events], np.float64)
        is_good = (np.abs(ts_us) <= _LATEST_US) & (dur_us >= 0) & (dur_us <= _LATEST_US)
        if not is_good.all():
            is_missing = np.isnan(ts_us) | np.isnan(dur_us)
            reasons = {
                "an event without a time or duration": is_missing,
                "an event with a negative duration": ~is_missing & (dur_us < 0),
                "an event at an impossible time": ~is_missing & (dur_us >= 0) & ~is_good,
            }
            self.skipped.update({reason: int(bad.sum()) for reason, bad in reasons.items() if bad.any()})
            events = list(compress(events, is_good))
        return events, nanoseconds(ts_us[is_good]), nanoseconds(dur_us[is_good])

    def _thread(self, kind: int, events: Sequence[RawEvent], details: Columns) -> Indices:
        if kind in DEVICE_KINDS and "device" in details and "stream" in details:
            where = zip(events, details["device"].tolist(), details["stream"].tolist(), strict=True)
            found = [
                self._lanes[event.pid, event.tid] if NONE in (device, stream) else self._streams[device, stream]
                for event, device, stream in where
            ]
            return np.array(found, np.int32)
        return numbers(self._lanes, [(event.pid, event.tid) for event in events], len(events))

    def _begun(self, events: Sequence[RawEvent], places: Mapping[int, int]) -> Columns:
        rows = [row for row, event in enumerate(events) if event.ph == "B"]
        return {
            "row": np.array(rows, np.int64) + self._num_spans,
            **self._halves([events[row] for row in rows], places),
        }

    def _halves(self, events: Sequence[RawEvent], places: Mapping[int, int]) -> Columns:
        """Begins or ends of spans, for `pairs`."""
        ts_us = np.array([event.ts for event in events], np.float64)
        is_good = np.abs(ts_us) <= _LATEST_US
        if not is_good.all():
            self.skipped["an event without a time or duration"] += int((~is_good).sum())
            events = list(compress(events, is_good))
        return {
            "ts_ns": nanoseconds(ts_us[is_good]),
            "thread": numbers(self._pairing, [(event.pid, event.tid) for event in events], len(events)),
            "place": np.array([places[id(event)] for event in events], np.int64),
        }

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
        self._changes.append(columns)

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
