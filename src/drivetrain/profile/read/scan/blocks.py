"""The text of a block -> its columns, numbered as a gatherer numbers them."""

from __future__ import annotations

from collections import Counter

from drivetrain.profile.read.columns import MEMORY_TYPES, SPAN_TYPES, Block, Columns
from drivetrain.profile.read.details import Details
from drivetrain.profile.read.intern import Numbers
from drivetrain.profile.read.scan.machine import Machine
from drivetrain.profile.read.scan.meanings import meanings
from drivetrain.profile.read.scan.scanner import Scanned, Scanner
from drivetrain.profile.read.times import nanoseconds, sensible


class BlockScanner:
    """Takes blocks as text; of one thread.

    Args:
      machine: that scans them.
      names, threads, details: what is numbered.
    """

    def __init__(
        self, machine: Machine, names: Numbers[str], threads: Numbers[tuple[str, str]], details: Details
    ) -> None:
        self._scanner = Scanner(machine)
        self._meanings = meanings(self._scanner.token, names, threads, details)

    def block(self, text: memoryview, order: int, skipped: Counter[str]) -> tuple[Block, int] | None:
        """Its columns and how many of its events do not say what they are; None where it has to be decoded.

        Args:
          text: of events with commas between.
          order: which block of the file it is.
          skipped: what could not be used; grows.
        """
        scanned = self._scanner.scan(text)
        if scanned is None:
            return None
        spans, changes = self._spans(scanned, skipped), self._changes(scanned)
        return Block(order, scanned.num_events, spans, changes), scanned.num_mute

    def _spans(self, scanned: Scanned, skipped: Counter[str]) -> Columns:
        if not scanned.spans:
            return {}
        columns: Columns = dict(scanned.spans)
        ts_us, dur_us = scanned.ts_us, scanned.dur_us
        is_good = sensible(ts_us, dur_us, skipped)
        if is_good is not None:
            ts_us, dur_us = ts_us[is_good], dur_us[is_good]
            columns = {name: column[is_good] for name, column in columns.items()}
        if not len(ts_us):
            return {}
        columns = {
            name: self._meanings[name](column) if name in self._meanings else column.astype(SPAN_TYPES[name])
            for name, column in columns.items()
        }
        return {"ts_ns": nanoseconds(ts_us), "dur_ns": nanoseconds(dur_us), **columns}

    def _changes(self, scanned: Scanned) -> Columns:
        if not len(scanned.change_ts_us):
            return {}
        thread = self._meanings["thread"]
        columns: Columns = {
            name: thread(column) if name == "thread" else column.astype(MEMORY_TYPES[name])
            for name, column in scanned.changes.items()
        }
        return {**columns, "ts_ns": nanoseconds(scanned.change_ts_us)}
