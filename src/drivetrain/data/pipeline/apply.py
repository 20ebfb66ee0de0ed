"""One entry through one step: the pure heart that all executors share, with how long each op took."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from drivetrain.core.errors import DrivetrainError
from drivetrain.data.pipeline.description import Op
from drivetrain.data.pipeline.item import Bad, Entry, Item


@dataclass(frozen=True, slots=True)
class OpTime:
    """What one op did for one entry: items taken and given, time, and the bytes of the items that it gave."""

    num_in: int
    num_out: int
    busy_ns: int
    bytes_out: int


@dataclass(frozen=True, slots=True, eq=False)
class Applied:
    """An entry after a step.

    Attributes:
      entry: what became of it.
      times: one for each op.
      peak_bytes: most that input and output of one op took together on the way.
    """

    entry: Entry
    times: tuple[OpTime, ...]
    peak_bytes: int


def apply(ops: Sequence[Op], entry: Entry) -> Applied:
    """Do ops to every item of an entry. An exception of an op makes its item a bad one; MemoryError goes on up."""
    times = []
    peak_bytes = entry.num_bytes
    for op in ops:
        before_bytes, num_in, begun_ns = entry.num_bytes, len(entry.items), time.perf_counter_ns()
        entry = _one(op, entry)
        after_bytes = entry.num_bytes
        times.append(OpTime(num_in, len(entry.items), time.perf_counter_ns() - begun_ns, after_bytes))
        peak_bytes = max(peak_bytes, before_bytes + after_bytes)
    return Applied(entry, tuple(times), peak_bytes)


def _one(op: Op, entry: Entry) -> Entry:
    items: list[Item] = []
    dropped, bad = list(entry.dropped), list(entry.bad)
    for item in entry.items:
        try:
            made = _as_items(op(item))
        except MemoryError:
            raise
        except Exception as exc:  # noqa: BLE001 - what an op raises on one item is told with the item, not by a crash
            bad.append(Bad(item.key, op.name, _reason(op, exc)))
            continue
        items += (_sealed(each, item) for each in made)
        if not made:
            dropped.append(op.name)
    return Entry(entry.number, tuple(items), tuple(dropped), tuple(bad))


def _sealed(made: Item, source: Item) -> Item:
    """What an op gave, its arrays read-only: what one op keeps or another changes in place must not depend on where the
    arrays lie."""
    parts = {name: _read_only(value) if isinstance(value, np.ndarray) else value for name, value in made.parts.items()}
    return replace(made, parts=parts, number=source.number, log=source.log)


def _read_only(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def _as_items(made: Item | Iterable[Item] | None) -> list[Item]:
    if made is None:
        return []
    found = [made] if isinstance(made, Item) else list(made)
    wrong = [each for each in found if not isinstance(each, Item)]
    if wrong:
        raise TypeError(f"gave {type(wrong[0]).__name__}; an op gives an Item, None, or several Items")
    return found


def _reason(op: Op, exc: Exception) -> str:
    """Errors of ours say what happened; of others, where they came from matters too."""
    return exc.message if isinstance(exc, DrivetrainError) else f"{op.name}: {type(exc).__name__}: {exc}"
