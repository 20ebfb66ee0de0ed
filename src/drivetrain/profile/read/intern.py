"""Things that come again and again, as numbers: each dictionary numbers a key when it first meets it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
import numpy as np

from drivetrain.profile.read.events import kind_of
from drivetrain.profile.trace import NONE, Indices

_Key = TypeVar("_Key")


class Numbers(dict[_Key, int]):
    """Numbers from 0, in the order in which things come."""

    def __missing__(self, key: _Key) -> int:
        self[key] = number = len(self)
        return number


def numbers(table: dict[_Key, int], keys: Iterable[_Key], count: int) -> Indices:
    """The number of each of so many keys; shape (N,)."""
    return np.fromiter(map(table.__getitem__, keys), np.int32, count)


def renumbered(table: dict[_Key, int], keys: Iterable[_Key]) -> Indices:
    """New numbers by old ones for what another table numbered in this order; NONE, being the last index, stays NONE."""
    return np.array([*(table[key] for key in keys), NONE], np.int32)


class Kinds(dict[str, int]):
    """Category -> `Kind`."""

    def __missing__(self, category: str) -> int:
        self[category] = kind = int(kind_of(category))
        return kind


class Lanes(dict[tuple[int | str, int | str], int]):
    """(process id, thread id) as a file has them -> number of that thread; 7 and "7" are the same."""

    def __init__(self, threads: Numbers[tuple[str, str]]) -> None:
        super().__init__()
        self._threads = threads

    def __missing__(self, key: tuple[int | str, int | str]) -> int:
        self[key] = number = self._threads[str(key[0]), str(key[1])]
        return number


class LanesOfProcess(dict[int | str, int]):
    """Thread id -> number of that thread of one process."""

    def __init__(self, process: int | str, threads: Numbers[tuple[str, str]]) -> None:
        super().__init__()
        self._process, self._threads = str(process), threads

    def __missing__(self, thread: int | str) -> int:
        self[thread] = number = self._threads[self._process, str(thread)]
        return number


class LanesOfProcesses(dict[int | str, LanesOfProcess]):
    """Process id -> the numbers of its threads."""

    def __init__(self, threads: Numbers[tuple[str, str]]) -> None:
        super().__init__()
        self._threads = threads

    def __missing__(self, process: int | str) -> LanesOfProcess:
        self[process] = found = LanesOfProcess(process, self._threads)
        return found


class Streams(dict[tuple[int, int], int]):
    """(device, stream) -> number of that thread."""

    def __init__(self, threads: Numbers[tuple[str, str]]) -> None:
        super().__init__()
        self._threads = threads

    def __missing__(self, key: tuple[int, int]) -> int:
        self[key] = number = self._threads[f"device {key[0]}", f"stream {key[1]}"]
        return number


class JsonTexts(dict[bytes, int]):
    """JSON -> number of its shortest form among the texts; nothing is NONE."""

    def __init__(self, texts: Numbers[str]) -> None:
        super().__init__()
        self._texts = texts

    def __missing__(self, raw: bytes) -> int:
        value = decoded(raw)
        self[raw] = number = NONE if value is None else self._texts[msgspec.json.encode(value).decode()]
        return number


class PlainTexts(dict[str | None, int]):
    """A text -> its number among the texts; nothing and an empty one are NONE."""

    def __init__(self, texts: Numbers[str]) -> None:
        super().__init__()
        self._texts = texts

    def __missing__(self, text: str | None) -> int:
        self[text] = number = self._texts[text] if text else NONE
        return number


def decoded(raw: bytes) -> Any:
    """The value that JSON tells; None where it tells none."""
    if not raw:
        return None
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return raw.decode(errors="replace")
