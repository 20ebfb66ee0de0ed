"""Lists of pods and nodes as the openb traces have them: CSV -> values, or errors that name the line."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from drivetrain.compute.policy.packing import MOST_GPUS, WHOLE, Machine, Shape
from drivetrain.core.errors import DataError

_POD_COLUMNS = ("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli")
_POD_OPTIONAL = ("gpu_spec", "qos", "pod_phase", "creation_time", "deletion_time", "scheduled_time")
_NODE_COLUMNS = ("sn", "cpu_milli", "memory_mib", "gpu", "model")
_MOST_SHOWN = 3
_LARGEST = 1 << 40
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Pod:
    """A task of a list. Attributes: created_s, deleted_s: None where the list does not say."""

    name: str
    shape: Shape
    created_s: int | None = None
    deleted_s: int | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """What a file holds, and the columns of it that nobody reads."""

    pods: tuple[Pod, ...] = ()
    machines: tuple[Machine, ...] = ()
    ignored: tuple[str, ...] = ()


def read_pods(path: Path) -> Listed:
    """The pods of a list, in its order. Raises DataError: it is none; the lines are named."""
    pods, ignored = _read(path, _POD_COLUMNS, _POD_OPTIONAL, _pod)
    return Listed(pods=tuple(pods), ignored=ignored)


def read_nodes(path: Path) -> Listed:
    """The nodes of a list, in its order. Raises DataError: it is none; the lines are named."""
    machines, ignored = _read(path, _NODE_COLUMNS, (), _machine)
    seen: set[str] = set()
    for machine in machines:
        if machine.name in seen:
            raise DataError(f"{path}: node {machine.name[:60]!r} is listed twice")
        seen.add(machine.name)
    return Listed(machines=tuple(machines), ignored=ignored)


def check_times(pods: Sequence[Pod], *, hint: str) -> None:
    """Raises: DataError: one does not say when it came or went. Args: hint: what can be done without."""
    without = [pod.name for pod in pods if pod.created_s is None or pod.deleted_s is None]
    if without:
        raise DataError(
            f"{len(without):,} pods have no creation_time or no deletion_time, such as {without[0][:60]}", hint=hint
        )


def _read(
    path: Path, columns: Sequence[str], optional: Sequence[str], make: Callable[[dict[str, str]], _T]
) -> tuple[list[_T], tuple[str, ...]]:
    """A value for each row, and the columns that are not known."""
    values: list[_T] = []
    bad: list[str] = []
    header: list[str] = []
    for line, cells in _lines(path):
        if not header:
            header = [cell.strip() for cell in cells]
            _check_header(path, header, columns, optional)
            continue
        try:
            if len(cells) != len(header):
                raise ValueError(f"{len(cells)} cells, expected {len(header)}")
            values.append(make(dict(zip(header, map(str.strip, cells), strict=True))))
        except ValueError as exc:
            bad.append(f"line {line}: {exc}")
    if bad:
        more = f"; and {len(bad) - _MOST_SHOWN:,} more lines" if len(bad) > _MOST_SHOWN else ""
        raise DataError(f"{path}: {'; '.join(bad[:_MOST_SHOWN])}{more}", hint="mend or leave out these lines")
    if not values:
        raise DataError(
            f"{path} has no rows, expected a header and at least one", hint=f"columns: {', '.join(columns)}"
        )
    return values, tuple(name for name in header if name not in (*columns, *optional))


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each line that is not empty."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            for cells in reader:
                if any(cells):
                    yield reader.line_num, cells
    except OSError as exc:
        raise DataError(f"{path}: {exc.strerror or exc}") from exc
    except (UnicodeDecodeError, csv.Error) as exc:
        raise DataError(f"{path} is no CSV that we can read: {exc}") from exc


def _check_header(path: Path, header: Sequence[str], columns: Sequence[str], optional: Sequence[str]) -> None:
    """Refuse a header that lacks a column, or has one twice or almost right."""
    missing = [name for name in columns if name not in header]
    if missing:
        shown = ", ".join(header)[:200]
        raise DataError(f"{path} has no column {missing[0]!r}; it has {shown}", hint=f"columns: {', '.join(columns)}")
    for name in header:
        if header.count(name) > 1:
            raise DataError(f"{path} has the column {name[:40]!r} twice")
        near = difflib.get_close_matches(name, [other for other in optional if other not in header], n=1, cutoff=0.8)
        if name not in (*columns, *optional) and near:
            raise DataError(f"{path} has a column {name[:40]!r} that is not known", hint=f"did you mean {near[0]}?")


def _pod(row: dict[str, str]) -> Pod:
    num_gpus = _whole(row, "num_gpu", MOST_GPUS)
    milli = _whole(row, "gpu_milli", WHOLE)
    if (num_gpus == 0) != (milli == 0):
        raise ValueError(f"num_gpu is {num_gpus} and gpu_milli {milli}, expected both or none")
    models = frozenset(model.strip() for model in row.get("gpu_spec", "").split("|") if model.strip())
    shape = Shape(_whole(row, "cpu_milli"), _whole(row, "memory_mib"), num_gpus, milli, models)
    created_s, deleted_s = (_time(row, name) for name in ("creation_time", "deletion_time"))
    if created_s is not None and deleted_s is not None and deleted_s < created_s:
        raise ValueError(f"deletion_time {deleted_s} is before creation_time {created_s}")
    return Pod(row["name"], shape, created_s, deleted_s)


def _machine(row: dict[str, str]) -> Machine:
    num_gpus = _whole(row, "gpu", MOST_GPUS)
    return Machine(row["sn"], _whole(row, "cpu_milli"), _whole(row, "memory_mib"), num_gpus, row["model"])


def _whole(row: dict[str, str], name: str, most: int = _LARGEST) -> int:
    """A whole number from 0 to `most`; written `8.0` it is one too."""
    text = row[name]
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{name} is {text[:40]!r}, expected a whole number") from None
    if not 0 <= number <= most or number != int(number):
        raise ValueError(f"{name} is {text[:40]!r}, expected a whole number from 0 to {most}")
    return int(number)


def _time(row: dict[str, str], name: str) -> int | None:
    return _whole(row, name) if row.get(name) else None
