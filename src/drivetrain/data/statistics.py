"""What the samples of a data set are like, as sketches stored beside it: comparing two touches no sample again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from drivetrain.core.errors import DataError, SampleError
from drivetrain.data.arrays import Bytes
from drivetrain.data.dataset import DataSet
from drivetrain.data.sketch import Shift, Sketch, compare
from drivetrain.store import publish_bytes

Sketches = Mapping[str, Sketch]
NUM_LOOKED_AT = 200
"""Samples whose pixels are looked at; columns are taken whole."""

_FOLDER = "stats"
_NO_NUMBERS = frozenset({"t_ns"})  # when something was recorded says nothing of what it is like
Progress = Callable[[int, str], None]


def sketches_of(
    dataset: DataSet, *, num_samples: int = NUM_LOOKED_AT, on_progress: Progress | None = None
) -> dict[str, Sketch]:
    """A sketch of each column of numbers, of images' brightness and contrast, and of each class's share of labels.

    Args:
      dataset: any version.
      num_samples: how many samples are decoded, spread evenly; those that are damaged are left out.
      on_progress: called with how many samples were decoded.
    """
    found: dict[str, Sketch] = {}
    for name in dataset.column_names:
        kind = dataset.index.schema.field(name).type
        if name not in _NO_NUMBERS and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            column = dataset.index[name].cast(pa.float64(), safe=False)
            found[name] = Sketch.of(column.to_numpy(zero_copy_only=False))
    rows = np.unique(np.linspace(0, len(dataset) - 1, min(num_samples, len(dataset))).round().astype(int)).tolist()
    for num_done, row in enumerate(rows if len(dataset) else [], start=1):
        try:
            parts = dataset.read(row).parts
        except SampleError:
            continue
        for name, value in parts.items():
            for what, number in _numbers(name, value, dataset.classes).items():
                found[what] = found.get(what, Sketch()).merge(Sketch.of([number]))
        if on_progress is not None:
            on_progress(num_done, "")
    return found


def compare_sketches(before: Sketches, after: Sketches) -> dict[str, Shift]:
    """How far each number that both know has moved; the furthest first."""
    shifts = {name: compare(before[name], after[name]) for name in before if name in after}
    return dict(sorted(shifts.items(), key=lambda item: -np.nan_to_num(item[1].largest_gap)))


def statistics_file(dataset: DataSet) -> Path:
    """Where the sketches of this version are stored; the data set itself does not change by them."""
    return dataset.path / _FOLDER / f"{dataset.manifest.version}.json"


def write_sketches(path: Path, sketches: Sketches) -> None:
    """Store sketches as JSON. Raises StoreError: the disk would not take them."""
    values = {name: sketch.to_json() for name, sketch in sorted(sketches.items())}
    publish_bytes(path, json.dumps(values).encode())


def read_sketches(path: Path) -> dict[str, Sketch]:
    """Sketches that were stored. Raises DataError: there are none, or the file is not what we write."""
    try:
        values = json.loads(path.read_bytes())
        return {str(name): Sketch.from_json(sketch) for name, sketch in values.items()}
    except OSError as exc:
        raise DataError(
            f"there are no statistics at {path}: {exc.strerror}", hint="make them: drivetrain data check DATASET"
        ) from exc
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise DataError(f"{path} has no sketches: {exc!r}") from exc


def _numbers(name: str, value: object, classes: tuple[str, ...]) -> dict[str, float]:
    """What is remembered of a part: an image by its pixels, a label map by its classes, nothing of others."""
    if not isinstance(value, np.ndarray) or value.dtype != np.uint8:
        return {}
    if value.ndim == 3:
        return {f"{name} brightness": float(value.mean()), f"{name} contrast": float(value.std())}
    if value.ndim == 2 and classes:
        shares = zip(classes, _shares(value, len(classes)), strict=True)
        return {f"{name} {label}_pct": share for label, share in shares}
    return {}


def _shares(label_HW: Bytes, num_classes: int) -> list[float]:
    counts = np.bincount(label_HW.ravel(), minlength=256)[:num_classes]
    shares: list[float] = (100 * counts / max(1, int(counts.sum()))).tolist()
    return shares
