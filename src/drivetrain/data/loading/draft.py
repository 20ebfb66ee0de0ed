"""A batch in the making: threads put samples into it, straight into the memory of the whole batch where they can."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from drivetrain.data.arrays import Ints
from drivetrain.data.loading.memory import Memory
from drivetrain.data.loading.sequence import Place

Room = Callable[[tuple[int, ...], DTypeLike], NDArray[Any]]
"""`room(shape, dtype)`: an array to fill, not initialised."""


class Draft:
    """A batch of B samples, some of them put in.

    Attributes:
      positions: of each sample in the endless sequence.
      places: where each sample is.
      error: what stopped a thread, to be raised to whoever waits.
      done: is set when all samples are in, or one failed.
    """

    def __init__(self, positions: Ints, places: Sequence[Place], memory: Memory) -> None:
        self.positions, self.places = positions, places
        self.error: BaseException | None = None
        self.done = threading.Event()
        self._memory, self._lock = memory, threading.Lock()
        self._num_missing = len(positions)
        self._keys: list[str] = [""] * len(positions)
        self._wholes: dict[str, NDArray[Any]] = {}
        self._parts: dict[str, list[Any]] = {}
        self._columns: dict[str, list[Any]] = {}

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def num_bytes(self) -> int:
        """Of the arrays so far."""
        return sum(whole.nbytes for whole in list(self._wholes.values()))

    def room(self, part: str, number: int) -> Room:
        """Where a part of a sample goes: its place in the whole batch, or memory of its own where that has no place."""

        def room(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
            with self._lock:
                if part not in self._wholes:
                    self._wholes[part] = self._memory.array((len(self), *shape), dtype)
                whole = self._wholes[part]
            fits = whole.shape[1:] == shape and whole.dtype == dtype
            return whole[number, ...] if fits else np.empty(shape, dtype)

        return room

    def put(self, number: int, key: str, parts: Mapping[str, Any], columns: Mapping[str, Any]) -> None:
        """Put in one sample; arrays that are not in their room yet are copied there."""
        self._keys[number] = key
        for name, value in columns.items():
            with self._lock:
                self._columns.setdefault(name, [None] * len(self))[number] = value
        for part, value in parts.items():
            placed = value
            if isinstance(value, np.ndarray):
                placed = self.room(part, number)(value.shape, value.dtype)
                if placed.__array_interface__["data"] != value.__array_interface__["data"] or placed.size == 0:
                    placed[...] = value
            with self._lock:
                self._parts.setdefault(part, [None] * len(self))[number] = placed

    def count(self) -> None:
        """Say that one more sample is in."""
        with self._lock:
            self._num_missing -= 1
            is_done = self._num_missing == 0
        if is_done:
            self.done.set()

    def fail(self, error: BaseException) -> None:
        """Say that a sample cannot be put in."""
        self.error = error
        self.done.set()

    def finish(self) -> dict[str, Any]:
        """The batch: a stacked array for each part that has one shape and dtype, a list for others.

        Raises: what stopped a thread.
        """
        if self.error is not None:
            raise self.error
        batch = {part: self._stacked(part, values) for part, values in sorted(self._parts.items())}
        batch |= {name: _column(values) for name, values in self._columns.items()}
        return batch | {"key": self._keys, "position": self.positions}

    def _stacked(self, part: str, values: list[Any]) -> Any:
        whole = self._wholes.get(part)
        if whole is not None and all(_is_place(value, whole, number) for number, value in enumerate(values)):
            return whole
        kinds = {(value.shape, value.dtype) if isinstance(value, np.ndarray) else None for value in values}
        return np.stack(values) if len(kinds) == 1 and None not in kinds else values


def _column(values: list[Any]) -> Any:
    """An array where all are numbers."""
    return np.asarray(values) if all(isinstance(value, int | float) for value in values) else values


def _is_place(value: Any, whole: NDArray[Any], number: int) -> bool:
    place = whole[number, ...]
    return (
        isinstance(value, np.ndarray)
        and value.shape == place.shape
        and value.__array_interface__["data"] == place.__array_interface__["data"]
    )
