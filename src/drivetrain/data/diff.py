"""How two data sets, or two versions of one, differ: samples, columns, slices and where they come from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from drivetrain.data.arrays import Ints
from drivetrain.data.dataset import DataSet

_NUM_NAMED = 20


@dataclass(frozen=True, slots=True)
class NumbersChange:
    """A column of numbers before and after: how many there are, their mean and the range."""

    column: str
    before: dict[str, float | None]
    after: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Diff:
    """What changed from one data set to another.

    Attributes:
      before, after: their versions.
      num_samples: of each, by split.
      added, removed: how many samples only the one has.
      changed: samples of both whose parts or columns differ, how many for each part or column.
      examples: keys of some that were added, removed and changed.
      columns_added, columns_removed, slices_changed, inputs_added, inputs_removed: names.
      numbers: columns of numbers whose count, mean or range is not the same.
      steps: what was done after, where the one comes from the other.
    """

    before: str
    after: str
    num_samples: tuple[dict[str, int], dict[str, int]]
    added: int
    removed: int
    changed: dict[str, int]
    examples: dict[str, list[str]]
    columns_added: list[str]
    columns_removed: list[str]
    slices_changed: list[str]
    inputs_added: list[str]
    inputs_removed: list[str]
    numbers: list[NumbersChange]
    steps: list[dict[str, Any]]

    @property
    def is_empty(self) -> bool:
        """Whether they have the same samples, columns and slices."""
        names = (self.columns_added, self.columns_removed, self.slices_changed)
        return not (self.added or self.removed or self.changed or any(names))

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


def diff(before: DataSet, after: DataSet) -> Diff:
    """Compare by key. Parts are the same when their size and checksum are, wherever their bytes lie."""
    keys_before, keys_after = before.index["key"].combine_chunks(), after.index["key"].combine_chunks()
    at = pc.index_in(keys_after, value_set=keys_before)
    in_both = np.flatnonzero(at.is_valid().to_numpy(zero_copy_only=False))
    rows_before = at.drop_null().to_numpy().astype(np.int64)
    gone = np.setdiff1d(np.arange(len(before)), rows_before)
    new = np.setdiff1d(np.arange(len(after)), in_both)
    differs = _differing(before, after, rows_before, in_both)
    changed_rows = np.unique(np.concatenate([*differs.values(), np.empty(0, np.int64)]))
    examples = {
        "added": _keys(after, new),
        "removed": _keys(before, gone),
        "changed": _keys(after, in_both[changed_rows.astype(np.int64)]),
    }
    old, now = before.manifest, after.manifest
    is_descendant = now.steps[: len(old.steps)] == old.steps
    return Diff(
        before=old.version,
        after=now.version,
        num_samples=(old.num_samples, now.num_samples),
        added=len(new),
        removed=len(gone),
        changed={name: len(rows) for name, rows in differs.items() if len(rows)},
        examples=examples,
        columns_added=[name for name in after.column_names if name not in before.column_names],
        columns_removed=[name for name in before.column_names if name not in after.column_names],
        slices_changed=sorted(dict(old.slices.items() ^ now.slices.items())),
        inputs_added=sorted(dict(now.inputs.items() - old.inputs.items())),
        inputs_removed=sorted(dict(old.inputs.items() - now.inputs.items())),
        numbers=_numbers(before, after),
        steps=[asdict(step) for step in now.steps[len(old.steps) :]] if is_descendant else [],
    )


def _differing(before: DataSet, after: DataSet, rows_before: Ints, rows_after: Ints) -> dict[str, Ints]:
    """Part or column -> places in the rows given where its values differ."""
    found = {}
    for part in sorted({*before.manifest.parts, *after.manifest.parts}):
        found[part] = _unlike(_content(before, part, rows_before), _content(after, part, rows_after))
    for name in after.column_names:
        if name in before.column_names:
            columns = [d.index[name].take(rows) for d, rows in ((before, rows_before), (after, rows_after))]
            found[name] = _unlike_columns(*columns)
    return found


def _content(dataset: DataSet, part: str, rows: Ints) -> Ints:
    """A number for each row's bytes of a part: size and checksum; -1 where it has none."""
    if part not in dataset.manifest.parts:
        return np.full(len(rows), -1, np.int64)
    places: Any = dataset.index[part].take(rows).combine_chunks()
    size, crc = (places.field(name).fill_null(0).to_numpy().astype(np.int64) for name in ("bytes", "crc32"))
    mixed = (size << 32) ^ crc
    return np.where(places.is_valid().to_numpy(zero_copy_only=False), mixed, -1)


def _unlike(before: Ints, after: Ints) -> Ints:
    return np.flatnonzero(before != after).astype(np.int64)


def _unlike_columns(before: Any, after: Any) -> Ints:
    if pa.types.is_dictionary(before.type) or pa.types.is_dictionary(after.type):
        before, after = before.cast(pa.string()), after.cast(pa.string())
    if before.type == after.type and before.equals(after):
        return np.empty(0, np.int64)
    pairs = enumerate(zip(before.to_pylist(), after.to_pylist(), strict=True))
    return np.array([n for n, (old, new) in pairs if old != new and not (old != old and new != new)], np.int64)


def _keys(dataset: DataSet, rows: Ints) -> list[str]:
    return [dataset.key(int(row)) for row in rows[:_NUM_NAMED]]


def _numbers(before: DataSet, after: DataSet) -> list[NumbersChange]:
    found = []
    for name in after.column_names:
        kinds = [dataset.table.schema.field(name).type for dataset in (before, after) if name in dataset.column_names]
        if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds):
            old, new = (_summary(dataset, name) for dataset in (before, after))
            if old != new:
                found.append(NumbersChange(name, old, new))
    return found


def _summary(dataset: DataSet, name: str) -> dict[str, float | None]:
    if name not in dataset.column_names:
        return {"count": 0, "mean": None, "min": None, "max": None}
    column = dataset.index[name]
    low_high: Any = pc.min_max(column).as_py()
    mean = pc.mean(column).as_py()
    count = len(column) - column.null_count
    return {"count": count, "mean": mean, "min": low_high["min"], "max": low_high["max"]}
