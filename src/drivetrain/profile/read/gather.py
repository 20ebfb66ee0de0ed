"""Decoded events, block after block, -> the columns of a `Trace`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from drivetrain.profile.read.columns import (
    MEMORY_TYPES,
    SPAN_TYPES,
    Block,
    Columns,
    in_order,
    integers,
    joined,
    order_of,
)
from drivetrain.profile.read.details import Details
from drivetrain.profile.read.events import Args, RawEvent
from drivetrain.profile.read.intern import Kinds, Lanes, LanesOfProcesses, Numbers, Streams, numbers, renumbered
from drivetrain.profile.read.pairs import BEGIN_TYPES, END_TYPES, durations
from drivetrain.profile.read.scan.blocks import BlockScanner
from drivetrain.profile.read.scan.machine import Machine
from drivetrain.profile.read.times import LATEST_US, nanoseconds, sensible
from drivetrain.profile.trace import DEVICE_KINDS, NONE, Collective, Indices, MemoryColumns, Origin, Trace

_NO_ARGS = Args()


@dataclass(frozen=True, slots=True)
class Gathered:
    """What one process has gathered, as plain values that another can take over."""

    blocks: list[Block]
    names: list[str]
    threads: list[tuple[str, str]]
    lanes: list[tuple[str, str]]
    texts: list[str]
    collectives: list[Collective]
    num_events: int
    skipped: Counter[str]


class Gatherer:
    """Takes events block after block, in any order; `trace` puts them in order of time.

    Args:
      skipped: what could not be used; grows.
      machine: that scans; without one, `scan` takes nothing.

    Attributes:
      num_events: all that came and said what they are.
      skipped: what could not be used, and how often.
    """

    def __init__(self, skipped: Counter[str], machine: Machine | None = None) -> None:
        self.num_events = 0
        self.skipped = skipped
        self._kinds = Kinds()
        self._names: Numbers[str] = Numbers()
        self._threads: Numbers[tuple[str, str]] = Numbers()
        self._thread_of = Lanes(self._threads)
        self._thread_in = LanesOfProcesses(self._threads)
        self._stream_of = Streams(self._threads)
        self._lanes: Numbers[tuple[str, str]] = Numbers()
        self._lane_of = Lanes(self._lanes)
        self._details = Details()
        self._scanner = BlockScanner(machine, self._names, self._threads, self._details) if machine else None
        self._blocks: list[Block] = []

    def add(self, events: Sequence[RawEvent], order: int) -> None:
        """Take a block, which is the one with this number in the file."""
        block = Block(order, len(events))
        phases = [event.ph for event in events]
        if phases.count("X") == len(events):
            self._add_spans(block, events)
        else:
            self._add_changes(block, [event for event in events if event.name == "[memory]" and event.ph != "X"])
            if "B" in phases or "E" in phases:
                self._add_halves(block, events)
            else:
                self._add_spans(block, [event for event in events if event.ph == "X"])
        self._blocks.append(block)
        self._count(len(events), phases.count(""))

    def scan(self, text: memoryview, order: int) -> bool:
        """Take a block as text, by machine code; False, and nothing taken, where it has to be decoded."""
        found = self._scanner.block(text, order, self.skipped) if self._scanner else None
        if found is None:
            return False
        block, num_mute = found
        self._blocks.append(block)
        self._count(block.num_events, num_mute)
        return True

    def _count(self, num_events: int, num_mute: int) -> None:
        if num_mute:
            self.skipped["an event that does not say what it is"] += num_mute
        self.num_events += num_events - num_mute

    def gathered(self) -> Gathered:
        """All that was taken, for another gatherer to `absorb`."""
        return Gathered(
            blocks=self._blocks,
            names=list(self._names),
            threads=list(self._threads),
            lanes=list(self._lanes),
            texts=list(self._details.texts),
            collectives=list(self._details.collectives),
            num_events=self.num_events,
            skipped=self.skipped,
        )

    def absorb(self, other: Gathered) -> None:
        """Take over what another one gathered of the same file; its arrays are taken apart."""
        texts = renumbered(self._details.texts, other.texts)
        numbering = {
            "name": renumbered(self._names, other.names),
            "thread": renumbered(self._threads, other.threads),
            "collective": renumbered(self._details.collectives, other.collectives),
            **dict.fromkeys(("dims", "types", "inputs", "stack", "module"), texts),
        }
        lanes = renumbered(self._lanes, other.lanes)
        for block in other.blocks:
            for columns in (block.spans, block.changes):
                columns |= {name: new[columns[name]] for name, new in numbering.items() if name in columns}
            for columns in (block.begins, block.ends):
                if columns:
                    columns["thread"] = lanes[columns["thread"]]
        self._blocks += other.blocks
        self.num_events += other.num_events
        self.skipped.update(other.skipped)

    def _add_spans(self, block: Block, events: Sequence[RawEvent]) -> Sequence[RawEvent]:
        """Make rows; the events that they are of."""
        events, columns = self._timed(events)
        num = len(events)
        if not num:
            return events
        kind_of = self._kinds
        kinds = [kind_of[event.cat] for event in events]
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
        block.spans = columns
        return events

    def _timed(self, events: Sequence[RawEvent]) -> tuple[Sequence[RawEvent], Columns]:
        """Those whose times make sense, and these times."""
        ts_us = np.array([event.ts for event in events], np.float64)  # None becomes NaN
        dur_us = np.array([event.dur for event in events], np.float64)
        is_good = sensible(ts_us, dur_us, self.skipped)
        if is_good is not None:
            events, ts_us, dur_us = list(compress(events, is_good)), ts_us[is_good], dur_us[is_good]
        return events, {"ts_ns": nanoseconds(ts_us), "dur_ns": nanoseconds(dur_us)}

    def _add_halves(self, block: Block, events: Sequence[RawEvent]) -> None:
        """Append complete events, and those that are a begin and an end, of a block that has such."""
        places = {id(event): place for place, event in enumerate(events) if event.ph in ("B", "E")}
        spans = [event for event in events if event.ph in ("X", "B")]
        for event in spans:
            if event.ph == "B":
                event.dur = 0.0
        rows, begins = [], []
        for row, event in enumerate(self._add_spans(block, spans)):
            if event.ph == "B":
                rows.append(row)
                begins.append(event)
        block.begins = {"row": np.array(rows, np.int64), **self._halves(begins, places)}
        ends = [event for event in events if event.ph == "E"]
        is_good = [event.ts is not None and abs(event.ts) <= LATEST_US for event in ends]
        if not all(is_good):
            self.skipped["an event without a time or duration"] += is_good.count(False)
            ends = list(compress(ends, is_good))
        block.ends = self._halves(ends, places)

    def _halves(self, events: Sequence[RawEvent], places: Mapping[int, int]) -> Columns:
        """Begins or ends, for `pairs`."""
        return {
            "ts_ns": nanoseconds(np.array([event.ts for event in events], np.float64)),
            "thread": numbers(self._lane_of, [(event.pid, event.tid) for event in events], len(events)),
            "place": np.array([places[id(event)] for event in events], np.int64),
        }

    def _thread(self, kind: int, events: Sequence[RawEvent], details: Columns) -> Indices:
        if kind in DEVICE_KINDS and "device" in details and "stream" in details:
            where = zip(events, details["device"].tolist(), details["stream"].tolist(), strict=True)
            found = [
                self._thread_of[event.pid, event.tid] if NONE in (device, stream) else self._stream_of[device, stream]
                for event, device, stream in where
            ]
            return np.array(found, np.int32)
        processes, threads = [event.pid for event in events], [event.tid for event in events]
        if processes.count(processes[0]) == len(processes):
            return numbers(self._thread_in[processes[0]], threads, len(threads))
        return numbers(self._thread_of, zip(processes, threads, strict=True), len(threads))

    def _add_changes(self, block: Block, events: Sequence[RawEvent]) -> None:
        """Changes of allocated memory."""
        events = [event for event in events if event.args is not None and event.ts is not None]
        events = [event for event in events if event.ts is not None and abs(event.ts) <= LATEST_US]
        if not events:
            return
        args = [event.args or _NO_ARGS for event in events]
        values: dict[str, list[int | None]] = {
            "size_bytes": [each.changed_bytes or 0 for each in args],
            "total_bytes": [each.total_bytes for each in args],
            "device": [each.device_index if each.device_kind not in (None, NONE, 0) else NONE for each in args],
            "address": [each.address for each in args],
            "thread": [self._thread_of[event.pid, event.tid] for event in events],
        }
        columns = {name: integers(column, MEMORY_TYPES[name]) for name, column in values.items()}
        columns["ts_ns"] = nanoseconds(np.array([event.ts for event in events], np.float64))
        block.changes = columns

    def trace(self, make_origin: Callable[[int], Origin]) -> Trace:
        """All that was taken; the gatherer is empty afterwards.

        Args:
          make_origin: given the time that columns count from, in ns as events of the file count.
        """
        self._blocks.sort(key=lambda block: block.order)
        begins, ends = self._begins_and_ends()
        spans = self._closed(joined([block.spans for block in self._blocks], SPAN_TYPES), begins, ends)
        changes = joined([block.changes for block in self._blocks], MEMORY_TYPES)
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

    def _begins_and_ends(self) -> tuple[Columns, Columns]:
        """Those of all blocks, with rows and places that count from the begin of the file."""
        row = place = 0
        for block in self._blocks:
            for columns in (block.begins, block.ends):
                if columns:
                    columns["place"] += place
            if block.begins:
                block.begins["row"] += row
            row += len(block.spans.get("ts_ns", ()))
            place += block.num_events
        begins = joined([block.begins for block in self._blocks], BEGIN_TYPES)
        return begins, joined([block.ends for block in self._blocks], END_TYPES)

    def _closed(self, spans: Columns, begins: Columns, ends: Columns) -> Columns:
        """Spans with the durations of those that were written as a begin and an end, without those that never end."""
        if not len(begins["row"]) and not len(ends["place"]):
            return spans
        found, num_lone = durations(begins, ends)
        spans["dur_ns"][begins["row"]] = found
        is_closed = spans["dur_ns"] != NONE
        reasons = {"a begin without an end": int((found == NONE).sum()), "an end without a begin": num_lone}
        self.skipped.update({reason: count for reason, count in reasons.items() if count})
        return {name: column[is_closed] for name, column in spans.items()}
