"""The text of a trace -> its events, block after block, and what stands around them.

A block ends where one event seems to end and another to begin. That is a guess, since the same characters may be in a
string or deeper down; but a block that begins right and decodes as a whole list of events has ended right, so each
block that decodes proves the cut behind it. Where one does not, `structure` finds where the events end.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator

from drivetrain.core.errors import DataError
from drivetrain.profile.read.decode import BEGIN_OF_EVENT, last_event_begin, somehow_events_of, tolerantly
from drivetrain.profile.read.events import RawEvent
from drivetrain.profile.read.structure import parts_of

BLOCK_BYTES = 1 << 18
LARGEST_BYTES = 1 << 24
"""Of one event, and of what stands before or after them: what is larger is skipped, so that memory stays bounded."""

_SPACE = b" \t\r\n"
_NEAR_BYTES = 1 << 14
_GUESS = re.compile(rb"\}(\s*+,\s*+)\{")
_EVENTS_KEY = re.compile(rb'\s*+"traceEvents"\s*+:\s*+\[')
_MEMBER = re.compile(rb'\s*+"((?:[^"\\]|\\.)*+)"\s*+:\s*+(.*)', re.DOTALL)
_AFTER_EVENTS = re.compile(rb'\s*+(?:$|\}|,\s*+")')
_HINT = "a trace is what torch.profiler's export_chrome_trace writes: .json or .json.gz"
_NEXT_EVENT = re.compile(rb"\}\s*+,\s*+(?=" + BEGIN_OF_EVENT + rb")")


class Blocks:
    """The events of one trace, and what it says beside them.

    Attributes:
      members: JSON by key of what stands beside the events, complete after `read`.
      skipped: what could not be read, and how often.
    """

    def __init__(
        self, name: str, pieces: Iterator[bytes], skipped: Counter[str], *, block_bytes: int = BLOCK_BYTES
    ) -> None:
        self.members: dict[str, bytes] = {}
        self.skipped = skipped
        self._name = name
        self._pieces = pieces
        self._block_bytes = block_bytes
        self._text = b""
        self._is_over = False
        self._is_cut_off = False

    def read(self, take: Callable[[memoryview], bool], add: Callable[[list[RawEvent]], None]) -> None:
        """Read all; may be called once.

        Args:
          take: given the text of a block, decodes it; False where it is not a list of whole events.
          add: given the events of a block that had to be looked at more closely.
        Raises: DataError: it is no trace.
        """
        is_bare = self._open()
        wanted = self._block_bytes
        while True:
            self._fill(wanted)
            cut = _guess(self._text)
            if cut and take(memoryview(self._text)[: cut[0]]):
                self._text = self._text[cut[1] :]
                wanted = self._block_bytes
                continue
            events, taken, is_end = self._exactly()
            if events:
                add(events)
            self._text = self._text[taken:]
            if is_end:
                break
            wanted = self._block_bytes if taken else 2 * max(len(self._text), self._block_bytes)
        if not is_bare and not self._is_cut_off:
            self._read_members(are_before=False)

    def _fill(self, num_bytes: int) -> None:
        """Have so many bytes at hand, or all there are."""
        parts, have = [self._text], len(self._text)
        while have < num_bytes and not self._is_over:
            piece = next(self._pieces, b"")
            self._is_over = not piece
            parts.append(piece)
            have += len(piece)
        self._text = b"".join(parts)

    def _exactly(self) -> tuple[list[RawEvent], int, bool]:
        """Events of the text at hand, how much of it is done with, and whether they have come to their end."""
        parts = parts_of(self._text)
        if parts.end is not None:
            return self._to_end(parts.commas, parts.end)
        if parts.commas:
            return self._each(parts.commas), parts.commas[-1] + 1, False
        if not self._is_over and len(self._text) < LARGEST_BYTES:
            return [], 0, False
        begin = last_event_begin(self._text)
        if begin is not None:
            return tolerantly(self._text[:begin], self.skipped), begin, False
        if self._is_over:
            return self._last(is_whole=parts.is_whole), len(self._text), True
        self._skip_event()
        return [], 0, False

    def _to_end(self, commas: list[int], end: int) -> tuple[list[RawEvent], int, bool]:
        is_right = self._text[end : end + 1] == b"]" and _AFTER_EVENTS.match(self._text, end + 1)
        if not is_right and (begin := last_event_begin(self._text[end:])) is not None:
            done = commas[-1] + 1 if commas else 0
            events = self._each(commas) + tolerantly(self._text[done : end + begin], self.skipped)
            return events, end + begin, False
        if not is_right:
            self.skipped["something else after the events"] += 1
        return self._each([*commas, end]), end + 1, True

    def _each(self, ends: list[int]) -> list[RawEvent]:
        """Events that end at these places; the text before the first begins one."""
        if not ends:
            return []
        whole = self._text[: ends[-1]]
        if not whole.strip(_SPACE):
            return []
        events = somehow_events_of(whole, self.skipped)
        if events is not None:
            return events
        found = []
        for begin, end in zip([0, *(comma + 1 for comma in ends[:-1])], ends, strict=True):
            found += tolerantly(whole[begin:end], self.skipped)
        return found

    def _last(self, *, is_whole: bool) -> list[RawEvent]:
        self._is_cut_off = True
        self.skipped["the end of a file that is cut off"] += 1
        text = self._text.strip(_SPACE)
        return tolerantly(text, self.skipped) if is_whole and text else []

    def _skip_event(self) -> None:
        self.skipped[f"an event larger than {LARGEST_BYTES >> 20} MiB"] += 1
        while not (found := _NEXT_EVENT.search(self._text)) and not self._is_over:
            self._text = self._text[-_NEAR_BYTES:]
            self._fill(len(self._text) + LARGEST_BYTES // 4)
        self._text = self._text[found.end() :] if found else b""

    def _open(self) -> bool:
        """Read up to the first event; whether the file is nothing but the array of events."""
        self._fill(_NEAR_BYTES)
        while not (begin := self._text.removeprefix(b"\xef\xbb\xbf").lstrip(_SPACE)) and not self._is_over:
            self._text = b""
            self._fill(_NEAR_BYTES)
        self._text = begin[1:]
        if begin.startswith(b"["):
            return True
        if not begin.startswith(b"{"):
            raise DataError(f"{self._name} {self._why_none(begin)}, so it is no trace", hint=_HINT)
        self._read_members(are_before=True)
        return False

    def _why_none(self, begin: bytes) -> str:
        if begin:
            return "is no JSON"
        return f"holds nothing that can be read ({'; '.join(self.skipped)})" if self.skipped else "is empty"

    def _read_members(self, *, are_before: bool) -> None:
        """Take members of the outermost object: those before the events, or those behind them."""
        wanted = self._block_bytes
        while True:
            self._fill(wanted)
            parts = parts_of(self._text)
            begin = 0
            for end in [*parts.commas, len(self._text) if parts.end is None else parts.end]:
                if are_before and (found := _EVENTS_KEY.match(self._text, begin)):
                    self._text = self._text[found.end() :]
                    return
                if end == len(self._text):
                    break
                self._take(self._text[begin:end])
                begin = end + 1
            self._text = self._text[begin:]
            if parts.end is not None or self._is_over:
                break
            if len(self._text) >= LARGEST_BYTES:
                self.skipped[f"metadata larger than {LARGEST_BYTES >> 20} MiB"] += 1
                if self._skip_members(are_before=are_before) or not are_before:
                    return
                break
            wanted = max(self._block_bytes, 2 * len(self._text))
        if are_before:
            raise DataError(f"{self._name} has no array traceEvents, so it is no trace", hint=_HINT)
        if parts.end is None:
            self.skipped["the end of a file that is cut off"] += 1

    def _take(self, member: bytes) -> None:
        if found := _MEMBER.fullmatch(member):
            self.members[found[1].decode(errors="replace")] = found[2].rstrip(_SPACE)
        elif member.strip(_SPACE):
            self.skipped["metadata without a name"] += 1

    def _skip_members(self, *, are_before: bool) -> bool:
        """Drop all up to the events, or all there is; whether there are events."""
        while not self._is_over:
            if are_before and (found := _EVENTS_KEY.search(self._text)):
                self._text = self._text[found.end() :]
                return True
            self._text = self._text[-_NEAR_BYTES:] if are_before else b""
            self._fill(len(self._text) + LARGEST_BYTES // 4)
        return False


def _guess(text: bytes) -> tuple[int, int] | None:
    """Where a block could end, and where the next could begin."""
    for near in (_NEAR_BYTES, len(text)):
        last = None
        for last in _GUESS.finditer(text, max(0, len(text) - near)):  # noqa: B007
            pass
        if last:
            return last.start() + 1, last.end() - 1
    return None
