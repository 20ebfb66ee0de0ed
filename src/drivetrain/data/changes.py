"""A version of a data set -> the next: samples appended or deleted, a column added, a slice named.

Contract:
1. What was written stays as it is: a change adds files and a manifest, so every earlier version stays readable.
2. A change is whole or not there: its files are flushed before the manifest that names them appears.
3. One writer at a time; another one is told so, and so is one whose data set is no longer the current version.
4. What a killed writer left behind is named by no version, and is removed by the next one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from drivetrain.core.errors import DataError, StoreError, UsageError
from drivetrain.data.arrays import Floats, Ints
from drivetrain.data.dataset import DataSet
from drivetrain.data.index import WORD, count_words, write_arrow
from drivetrain.data.leaks import refuse_leaks
from drivetrain.data.lock import only_writer
from drivetrain.data.manifest import (
    FORMAT,
    Manifest,
    Step,
    all_versions,
    keep_version,
    read_manifest,
    with_id,
    write_manifest,
)
from drivetrain.data.predicate import matching, names_in
from drivetrain.data.sample import Encoded, check_columns
from drivetrain.data.shards import ShardWriter
from drivetrain.data.slices import Slice, check_name
from drivetrain.data.splits import SplitBy, split
from drivetrain.store import StoredFile, publish_into


def append_samples(
    dataset: DataSet,
    samples: Iterable[Encoded],
    *,
    inputs: Mapping[str, str] | None = None,
    steps: Sequence[Step] = (),
) -> DataSet:
    """Add samples after those that are there, in new shards.

    Args:
      dataset: the current version.
      samples: read once; columns that they share with the others have their types.
      inputs: name of each log that they were made from -> hash of its content.
      steps: what was done to make them.
    Returns: the new version.
    Raises:
      DataError: a key is taken, or a column's values are of another kind than the others'.
      StoreError: another writer is at work or was, or the disk would not take it; the data set stays as it was.
    """

    def make(folder: Path, current: Manifest) -> Manifest:
        schema = dataset.table.schema
        types = {name: schema.field(name).type for name in dataset.column_names}
        number, first_shard = (_next_number(dataset.path, kind) for kind in ("index-*.arrow", "shard-*.tar"))
        with ShardWriter(folder, types, number=number, first_shard=first_shard) as out:
            for sample in samples:
                out.add(sample)
            written = out.finish()
        _refuse_taken_keys(dataset, folder / written.fragment)
        counts = {**dict.fromkeys(written.num_samples, 0), **current.num_samples}
        return dataclasses.replace(
            current,
            num_samples={split: num + written.num_samples.get(split, 0) for split, num in counts.items()},
            parts=dict(sorted({**current.parts, **written.parts}.items())),
            fragments=(*current.fragments, written.fragment),
            inputs={**current.inputs, **(inputs or {})},
            steps=(*current.steps, *(steps or [Step("append", {"num_samples": sum(written.num_samples.values())})])),
            files={**current.files, **written.files},
        )

    return _change(dataset, make)


def add_column(dataset: DataSet, name: str, values: Any, *, steps: Sequence[Step] = ()) -> DataSet:
    """Add a column, without touching what is there.

    Args:
      dataset: the current version.
      name: of the column; it must be new.
      values: one per sample, in the order of rows: an Arrow or NumPy array, or a list that Arrow can hold.
      steps: what was done to make them.
    Returns: the new version.
    Raises: UsageError: the name is taken, or there are more or fewer values than samples. DataError: Arrow cannot hold
      them. StoreError: as for `append_samples`.
    """
    _check_new_column(dataset, name)
    column = _as_column(name, values)
    if len(column) != len(dataset):
        raise UsageError(f"column {name} has {len(column)} values; data set {dataset.path} has {len(dataset)} samples")

    def make(folder: Path, current: Manifest) -> Manifest:
        file, stored = _write_named(folder, f"column-{name}", pa.table({name: _with_deleted(dataset, column)}))
        return dataclasses.replace(
            current,
            columns={**current.columns, name: file},
            steps=(*current.steps, *(steps or [Step("add_column", {"name": name})])),
            files={**current.files, file: stored},
        )

    return _change(dataset, make)


def delete_samples(dataset: DataSet, where: str | Slice | Ints) -> DataSet:
    """Leave samples out of the next version; their bytes stay for the versions that have them.

    Args:
      dataset: the current version.
      where: as for `DataSet.rows`, or numbers of rows.
    Returns: the new version; the same one when no sample matches.
    Raises: UsageError: there is no such slice, column or row. StoreError: as for `append_samples`.
    """
    rows = dataset.rows(where) if isinstance(where, str | Slice) else np.unique(np.asarray(where, np.int64))
    if len(rows) and not 0 <= rows[0] <= rows[-1] < len(dataset):
        raise UsageError(f"rows {rows[0]} .. {rows[-1]} are not all in 0 .. {len(dataset) - 1}")
    live = np.arange(len(dataset.table)) if dataset.live is None else dataset.live
    deleted = np.setdiff1d(np.arange(len(dataset.table)), np.delete(live, rows))
    what = str(getattr(where, "where", where)) if isinstance(where, str | Slice) else f"{len(rows)} rows"

    def make(folder: Path, current: Manifest) -> Manifest:
        if not len(rows):
            return current
        gone = count_words(dataset.table["split"].take(live[rows]))
        file, stored = _write_named(folder, "deleted", pa.table({"row": deleted}))
        files = {name: kept for name, kept in current.files.items() if name != current.deleted}
        return dataclasses.replace(
            current,
            num_samples={split: num - gone.get(split, 0) for split, num in current.num_samples.items()},
            deleted=file,
            steps=(*current.steps, Step("delete", {"where": what})),
            files={**files, file: stored},
        )

    return _change(dataset, make)


def split_samples(dataset: DataSet, by: SplitBy, *, allow_leaks: bool = False) -> DataSet:
    """Part the samples anew; what is left out is in no split, and stays readable.

    Args:
      dataset: the current version; drives are told by its column `log`, places by `x_m` and `y_m`.
      by: how.
      allow_leaks: also where samples of the two parts are alike (`leaks.py`).
    Returns: the new version.
    Raises: UsageError: a column that it takes is not there. DataError: samples of the two parts are alike. StoreError:
      as for `append_samples`.
    """
    words_N = split(by, drive_N=_words_of(dataset, "log"), t_N_ns=_stamps_of(dataset), xy_N2=_places_of(dataset, by))
    codes = np.select([words_N == "train", words_N == "held_out"], [0, 1], 2)
    words = pa.DictionaryArray.from_arrays(
        pa.array(codes, pa.int32(), mask=codes == 2), pa.array(["train", "held_out"])
    )
    column = _with_deleted(dataset, pa.chunked_array([words]))
    counts = {"train": int((codes == 0).sum()), "held_out": int((codes == 1).sum())}
    table = dataset.table.set_column(dataset.table.column_names.index("split"), "split", column)
    preview = dataclasses.replace(
        dataset, table=table, manifest=dataclasses.replace(dataset.manifest, num_samples=counts)
    )
    if not allow_leaks:
        refuse_leaks(preview, gap_s=by.gap_s)

    def make(folder: Path, current: Manifest) -> Manifest:
        file, stored = _write_named(folder, "column-split", pa.table({"split": column}))
        files = {name: kept for name, kept in current.files.items() if name != current.columns.get("split")}
        return dataclasses.replace(
            current,
            num_samples=counts,
            columns={**current.columns, "split": file},
            steps=(*current.steps, Step("split", dataclasses.asdict(by))),
            files={**files, file: stored},
        )

    return _change(dataset, make)


def define_slice(dataset: DataSet, name: str, where: str | Slice) -> DataSet:
    """Name a predicate; the next version has it, and it can be used in others.

    Returns: the new version; the same one when it has this slice already.
    Raises: UsageError: the predicate is not one (see `predicate`), or names what is not there. ValueError: the name is
      not a word, or that of a column or split. StoreError: as for `append_samples`.
    """
    check_name(name, (*dataset.table.column_names, *dataset.manifest.num_samples))
    if not _is_free_in_sql(name):
        raise ValueError(f"a slice cannot be called {name!r}: the word has a meaning in SQL")
    slices = {**dataset.slices, name: where.where if isinstance(where, Slice) else where}
    for predicate in slices.values():
        matching(dataset.table.slice(0, 0), predicate, slices)

    def make(_folder: Path, current: Manifest) -> Manifest:
        steps = (*current.steps, Step("define_slice", {"name": name, "where": slices[name]}))
        return dataclasses.replace(current, slices=slices, steps=steps)

    return _change(dataset, make)


def _is_free_in_sql(name: str) -> bool:
    try:
        return names_in(name) == [name]
    except UsageError:
        return False


def _change(dataset: DataSet, make: Callable[[Path, Manifest], Manifest]) -> DataSet:
    """Write the files of a change aside, move them in, and let the manifest appear that names them."""
    path = dataset.path
    with only_writer(path):
        current = read_manifest(path)
        if current.version != dataset.manifest.version:
            raise StoreError(
                f"{path} is at version {current.version} now; this is version {dataset.manifest.version} of it",
                hint="open it again, and make the change to what is there now",
            )
        _drop_leftovers(path)
        with publish_into(path) as folder:
            made = with_id(make(folder, current))
        if made.version != current.version:
            DataSet.over(path, made)  # raises what opening would, while the version before is still the current one
            keep_version(path)
            write_manifest(path, dataclasses.replace(made, parent=current.version, format=FORMAT))
    return DataSet.open(path)


def _drop_leftovers(path: Path) -> None:
    """Remove files of ours that no version names; none, where a version cannot be read."""
    try:
        named = {name for manifest in all_versions(path) for name in manifest.files}
    except DataError:
        return
    for kind in ("shard-*.tar", "index-*.arrow", "column-*.arrow", "deleted-*.arrow"):
        for file in path.glob(kind):
            if file.name not in named:
                with suppress(OSError):
                    file.unlink()


def _next_number(path: Path, kind: str) -> int:
    """One more than the largest number of files of a kind, whichever version they are of."""
    before, after = kind.split("*")
    numbers = [file.name[len(before) : -len(after)] for file in path.glob(kind)]
    return 1 + max((int(number) for number in numbers if number.isdecimal()), default=-1)


def _refuse_taken_keys(dataset: DataSet, fragment: Path) -> None:
    with pa.memory_map(str(fragment)) as source:
        keys = pa.ipc.open_file(source).read_all()["key"]
    taken = pc.is_in(dataset.table["key"], value_set=keys.combine_chunks()).to_numpy()
    rows = np.flatnonzero(taken if dataset.live is None else taken[dataset.live])
    if len(rows):
        raise DataError(
            f"{len(rows)} of {len(keys)} samples are in {dataset.path} already, such as {dataset.key(int(rows[0]))}",
            hint="delete those first to put others in their place",
        )


def _words_of(dataset: DataSet, name: str) -> list[str]:
    """Of a column of words, by row; one for all where the data set has no such column."""
    if name not in dataset.column_names:
        return [""] * len(dataset)
    return [str(word or "") for word in dataset.index[name].to_pylist()]


def _stamps_of(dataset: DataSet) -> Ints:
    _need_columns(dataset, "t_ns")
    return dataset.index["t_ns"].to_numpy().astype(np.int64)


def _places_of(dataset: DataSet, by: SplitBy) -> Floats | None:
    if by.what != "place":
        return None
    _need_columns(dataset, "x_m", "y_m")
    return np.stack([dataset.index[name].to_numpy().astype(np.float64) for name in ("x_m", "y_m")], axis=1)


def _need_columns(dataset: DataSet, *names: str) -> None:
    missing = [name for name in names if name not in dataset.column_names]
    if missing:
        raise UsageError(
            f"data set {dataset.path} has no column {' and '.join(missing)} to split by",
            hint=f"it has {', '.join(dataset.column_names)}",
        )


def _check_new_column(dataset: DataSet, name: str) -> None:
    check_columns({name: None})
    if name in (*dataset.table.column_names, *dataset.slices, *dataset.manifest.num_samples):
        raise UsageError(f"data set {dataset.path} has a column, slice or split {name} already")


def _as_column(name: str, values: Any) -> pa.ChunkedArray[Any]:
    try:
        column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as exc:
        raise DataError(f"the values of column {name} are not of one kind that Arrow holds: {exc}") from exc
    column = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    if pa.types.is_dictionary(column.type):  # of many kinds; later rows have the one that the index has
        is_text = pa.types.is_string(column.type.value_type)
        column = column.cast(column.type.value_type)
        return column.cast(WORD) if is_text else column
    return column


def _with_deleted(dataset: DataSet, column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """Values for all rows of the index: none for deleted ones."""
    if dataset.live is None:
        return column
    at = np.full(len(dataset.table), -1, np.int64)
    at[dataset.live] = np.arange(len(dataset.live))
    places: Any = pa.array(at, mask=at < 0)
    return column.take(places)


def _write_named(folder: Path, name: str, table: pa.Table) -> tuple[str, StoredFile]:
    """A file that is called by its content, so that no later one can take its place."""
    aside = folder / "table"
    write_arrow(aside, table)
    stored = StoredFile.of(aside)
    file = aside.rename(folder / f"{name}-{stored.sha256[:12]}.arrow")
    return file.name, stored
