"""Tokens -> numbers of names, threads, texts and collectives, each looked up once in a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from drivetrain.profile.read.details import Details
from drivetrain.profile.read.intern import Numbers
from drivetrain.profile.trace import NONE, Collective, Indices, Ints

_UNKNOWN = -2
_TEXT = msgspec.json.Decoder(str)


class Meaning:
    """What the tokens of a column stand for: a table that grows with what is asked."""

    def __init__(self, number_of: Callable[[bytes], int], token: Callable[[int], bytes]) -> None:
        self._number_of = number_of
        self._token = token
        self._table = _table(1 << 10)

    def __call__(self, tokens: Ints) -> Indices:
        """The number of each, NONE for NONE; shape (N,)."""
        most = int(tokens.max(initial=0))
        if most >= len(self._table) - 1:
            larger = _table(2 * most + 2)
            larger[: len(self._table) - 1] = self._table[:-1]
            self._table = larger
        found = self._table[tokens]
        is_new = found == _UNKNOWN
        if not is_new.any():
            return found
        for number in np.unique(tokens[is_new]).tolist():
            self._table[number] = self._number_of(self._token(number))
        return self._table[tokens]


def _table(length: int) -> Indices:
    """Nothing known but that the last place, which is that of NONE, means NONE."""
    table = np.full(length, _UNKNOWN, np.int32)
    table[-1] = NONE
    return table


def meanings(
    token: Callable[[int], bytes], names: Numbers[str], threads: Numbers[tuple[str, str]], details: Details
) -> dict[str, Meaning]:
    """What tokens mean, by column.

    Args:
      token: the bytes of one, by its number.
      names, threads, details: what is numbered.
    """
    as_json = Meaning(details.as_json.__getitem__, token)
    as_text = Meaning(lambda raw: details.as_text[text_of(raw)], token)
    return {
        "name": Meaning(lambda raw: names[text_of(raw)], token),
        "thread": Meaning(lambda raw: threads[_thread_of(raw)], token),
        "collective": Meaning(lambda raw: details.collectives[_collective_of(raw)], token),
        **dict.fromkeys(("dims", "types", "inputs"), as_json),
        **dict.fromkeys(("stack", "module"), as_text),
    }


def text_of(raw: bytes) -> str:
    """What stands between quotes in JSON, as the text that it means."""
    return _TEXT.decode(b'"%b"' % raw) if b"\\" in raw else raw.decode()


def _thread_of(raw: bytes) -> tuple[str, str]:
    parts = raw.split(b"\0")
    if len(parts) == 3:
        return f"device {text_of(parts[1])}", f"stream {text_of(parts[2])}"
    return text_of(parts[0]), text_of(parts[1])


def _collective_of(raw: bytes) -> Collective:
    name, in_elements, out_elements, dtype, group, group_size = map(text_of, raw.split(b"\0"))
    sizes: Any = (int(size or 0) for size in (in_elements, out_elements, group_size))
    return Collective(name, next(sizes), next(sizes), dtype, group, next(sizes))
