"""Machine code that goes through blocks of events, and what it has to be given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.profile.read.intern import Kinds
from drivetrain.profile.read.scan import memory as at
from drivetrain.profile.read.scan.fields import CHANGES, COLUMNS, KIND_ROW, NAME_ROW, NUM_FIELDS, NUM_ROWS, THREAD_ROW
from drivetrain.profile.read.scan.machine import Machine
from drivetrain.profile.read.scan.meanings import text_of
from drivetrain.profile.read.scan.memory import Found, Rows, empty_tokens, grown, token
from drivetrain.profile.trace import Ints

MOST_BYTES = 1 << 22
"""Of a block."""
_BYTES_OF_ROW = 48
"""An event with a time and a name has more."""
_SCRATCH_BYTES = 1 << 12
_PADDING_BYTES = 64


@dataclass(frozen=True, slots=True)
class Scanned:
    """Events of one block, as integers; tokens are numbers of the scanner's. Valid until the next block is scanned.

    Attributes:
      num_events: all of them.
      num_mute: of these, how many do not say what they are.
      spans: `kind`, `name` and `thread`, and which of `COLUMNS` any event has; shape (N,) each.
      ts_us, dur_us: of spans, NaN where an event has none; shape (N,).
      changes: of memory, `CHANGES`; shape (M,) each.
      change_ts_us: shape (M,).
    """

    num_events: int
    num_mute: int
    spans: dict[str, Ints]
    ts_us: npt.NDArray[np.float64]
    dur_us: npt.NDArray[np.float64]
    changes: dict[str, Ints]
    change_ts_us: npt.NDArray[np.float64]


class Scanner:
    """Scans one block after another; what it writes to is used again. Of one thread.

    Args:
      machine: that does it; others may use it too.
    """

    def __init__(self, machine: Machine) -> None:
        self._text = np.zeros(0, np.uint8)
        self._tokens = empty_tokens()
        self._found = _found()
        self._rows = _rows(0)
        self._kinds = Kinds()
        self._machine = machine

    def token(self, number: int) -> bytes:
        """The bytes that a number in a column of tokens stands for."""
        return token(self._tokens, number)

    def scan(self, block: memoryview) -> Scanned | None:
        """What is in the text of events with commas between; None where it has to be looked at more closely."""
        length = len(block)
        if length > MOST_BYTES:
            return None
        if length + _PADDING_BYTES > len(self._text):
            self._text = np.zeros(2 * length + _PADDING_BYTES, np.uint8)
            self._rows = _rows(len(self._text) // _BYTES_OF_ROW)
        self._text[:length] = np.frombuffer(block, np.uint8)
        self._text[length : length + _PADDING_BYTES] = 0
        if self._text[:length].max(initial=0) > 127 and not _is_utf8(block):
            return None
        counts = self._rows.counts
        counts[: at.MOST_ROWS] = 0
        while (outcome := self._machine.scan(self._text, length, self._tokens, self._found, self._rows)) != at.DONE:
            if outcome == at.FULL:
                self._tokens = grown(self._tokens, length)
            elif outcome == at.UNKNOWN_KIND:
                number = int(counts[at.CATEGORY])
                self._tokens.kinds[number] = self._kinds[text_of(self.token(number))]
            else:
                return None
        return self._scanned()

    def _scanned(self) -> Scanned:
        rows, num = self._rows, int(self._rows.counts[at.MOST_ROWS])
        num_spans, num_changes = int(rows.counts[at.NUM_SPANS]), int(rows.counts[at.NUM_CHANGES])
        return Scanned(
            num_events=int(rows.counts[at.NUM_EVENTS]),
            num_mute=int(rows.counts[at.NUM_MUTE]),
            spans=dict(self._columns(num, num_spans)) if num_spans else {},
            ts_us=rows.span_times[:num_spans],
            dur_us=rows.span_times[num : num + num_spans],
            changes={name: rows.changes[row * num : row * num + num_changes] for row, name in enumerate(CHANGES)},
            change_ts_us=rows.change_times[:num_changes],
        )

    def _columns(self, num: int, num_spans: int) -> Iterator[tuple[str, Ints]]:
        used = int(self._rows.counts[at.USED])
        names = {KIND_ROW: "kind", NAME_ROW: "name", THREAD_ROW: "thread"}
        names |= {row: name for row, name in enumerate(COLUMNS) if used >> row & 1}
        for row, name in names.items():
            yield name, self._rows.spans[row * num : row * num + num_spans]


def _found() -> Found:
    begins = np.zeros(NUM_FIELDS, np.int64)
    return Found(begins, begins.copy(), begins.copy(), np.zeros(2, np.float64))


def _rows(num: int) -> Rows:
    """Room for so many."""
    counts = np.zeros(9, np.int64)
    counts[at.MOST_ROWS], counts[at.SCRATCH_BYTES] = num, _SCRATCH_BYTES
    return Rows(
        counts=counts,
        spans=np.empty(NUM_ROWS * num, np.int64),
        span_times=np.empty(2 * num, np.float64),
        changes=np.empty(len(CHANGES) * num, np.int64),
        change_times=np.empty(num, np.float64),
        scratch=np.zeros(_SCRATCH_BYTES + _PADDING_BYTES, np.uint8),
    )


def _is_utf8(block: memoryview) -> bool:
    try:
        str(block, "utf-8")
    except UnicodeDecodeError:
        return False
    return True
