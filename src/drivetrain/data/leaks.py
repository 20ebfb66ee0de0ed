"""Samples of one split that come back in another: the same moment, or images that look the same.

Hashes of images (`image_hash.py`) that are a few bits apart are near duplicates. All pairs are never compared: two
hashes within `most_bits` of each other agree in at least one of `most_bits + 1` parts (the pigeonhole principle), so
only those that share a part are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice, pairwise
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drivetrain.core.errors import DataError
from drivetrain.core.units import NS_PER_S, count_text
from drivetrain.data.arrays import Ints
from drivetrain.data.dataset import DataSet
from drivetrain.data.image_hash import image_hash

MOST_BITS = 2
"""Hashes this many bits apart at most are near duplicates."""
GAP_S = 1.0
"""Frames of one drive nearer than this in time show the same scene (ours)."""
MOST_LEAKS = 10_000
"""No more than this many of each kind are told."""

_MOST_PAIRS = 1 << 20  # compared at once
_BITS = np.array([byte.bit_count() for byte in range(256)], np.uint8)
_Hashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Leak:
    """A sample of one split and one of another that are too much alike.

    Attributes:
      kind: `near_duplicate` by what the images look like, or `near_in_time` in one drive.
      first, second: their keys.
      splits: theirs.
      distance: bits that differ, or seconds between them.
    """

    kind: str
    first: str
    second: str
    splits: tuple[str, str]
    distance: float


def find_leaks(dataset: DataSet, *, gap_s: float = GAP_S, most_bits: int = MOST_BITS) -> list[Leak]:
    """Pairs of samples in different splits that are alike: by time, then by image, nearest first.

    Args:
      dataset: what is near in time is told where it has a column `t_ns` (drives by column `log`), what looks the same
        where it has a column `image_hash` or a part `image.jpg`.
      gap_s: samples of one drive nearer than this in time leak; neighbours alone are told.
      most_bits: hashes that differ in at most this many of 64 bits leak.
    Raises: SampleError: an image had to be read for its hash, and is damaged.
    """
    rows = {split: dataset.rows(split) for split, num in dataset.manifest.num_samples.items() if num}
    leaks = _near_in_time(dataset, rows, gap_s) if "t_ns" in dataset.column_names else []
    hashes = _hashes(dataset)
    if hashes is not None:
        for first, second in combinations(rows, 2):
            leaks += _near_duplicates(dataset, (first, second), (rows[first], rows[second]), hashes, most_bits)
    return sorted(leaks, key=lambda leak: (leak.kind != "near_in_time", leak.distance, leak.first, leak.second))


def refuse_leaks(dataset: DataSet, *, gap_s: float = GAP_S, most_bits: int = MOST_BITS) -> None:
    """Raises DataError: samples of different splits are alike; how many, and the worst pair."""
    leaks = find_leaks(dataset, gap_s=gap_s, most_bits=most_bits)
    if leaks:
        worst = leaks[0]
        raise DataError(
            f"{count_text(len(leaks), 'pair')} of samples in different splits of {dataset.path} are alike, such as "
            f"{worst.first} ({worst.splits[0]}) and {worst.second} ({worst.splits[1]}): {leak_text(worst)}",
            hint="split by drive or place, or leave a gap in time between the splits",
        )


def leak_text(leak: Leak) -> str:
    """How alike two samples are, in a few words."""
    if leak.kind == "near_in_time":
        return f"{leak.distance:.3g} s apart"
    return f"images differ in {leak.distance:.0f} of 64 bits"


def close_pairs(first_N: _Hashes, second_M: _Hashes, most_bits: int) -> Iterator[tuple[int, int, int]]:
    """Each pair of a hash of the one and a hash of the other that differ in at most `most_bits`, with how many bits."""
    seen: set[tuple[int, int]] = set()
    bounds = np.linspace(0, 64, most_bits + 2).astype(int).tolist()
    for low, high in pairwise(bounds):
        mask = np.uint64(((1 << (high - low)) - 1) << low)
        for left_K, right_K in _sharing(first_N & mask, second_M & mask):
            differ_K8 = (first_N[left_K] ^ second_M[right_K]).view(np.uint8).reshape(-1, 8)
            num_K = _BITS[differ_K8].sum(axis=1)
            close = np.flatnonzero(num_K <= most_bits)
            for i, j, num in zip(left_K[close].tolist(), right_K[close].tolist(), num_K[close].tolist(), strict=True):
                if (i, j) not in seen:
                    seen.add((i, j))
                    yield i, j, num


def _sharing(first_N: _Hashes, second_M: _Hashes) -> Iterator[tuple[Ints, Ints]]:
    """Places of equal values, all pairs of them, some at a time."""
    by_first, by_second = np.argsort(first_N, kind="stable"), np.argsort(second_M, kind="stable")
    values = np.intersect1d(first_N, second_M)
    ends = [
        np.searchsorted(x[order], values, side)
        for x, order in ((first_N, by_first), (second_M, by_second))
        for side in ("left", "right")
    ]
    for a0, a1, b0, b1 in zip(*(end.tolist() for end in ends), strict=True):
        step = max(1, _MOST_PAIRS // (b1 - b0))
        for start in range(a0, a1, step):
            left = by_first[start : min(start + step, a1)]
            yield np.repeat(left, b1 - b0), np.tile(by_second[b0:b1], len(left))


def _near_in_time(dataset: DataSet, rows: dict[str, Ints], gap_s: float) -> list[Leak]:
    if len(rows) < 2:
        return []
    row_N = np.concatenate(list(rows.values()))
    split_N = np.concatenate([np.full(len(part), i) for i, part in enumerate(rows.values())])
    t_N_ns = dataset.index["t_ns"].to_numpy()[row_N]
    drive_N = _drives(dataset)[row_N]
    order = np.lexsort((t_N_ns, drive_N))
    gap_N_s = np.diff(t_N_ns[order]) / NS_PER_S
    crosses = (np.diff(split_N[order]) != 0) & (np.diff(drive_N[order]) == 0) & (gap_N_s < gap_s)
    names = list(rows)
    return [
        Leak(
            "near_in_time",
            dataset.key(int(row_N[order[at]])),
            dataset.key(int(row_N[order[at + 1]])),
            (names[split_N[order[at]]], names[split_N[order[at + 1]]]),
            float(gap_N_s[at]),
        )
        for at in np.flatnonzero(crosses)[:MOST_LEAKS].tolist()
    ]


def _drives(dataset: DataSet) -> Ints:
    """A number for the drive of each row; one for all where the data set does not tell."""
    if "log" not in dataset.column_names:
        return np.zeros(len(dataset), np.int64)
    column: Any = dataset.index["log"]
    words = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    codes = [chunk.indices.fill_null(-1).to_numpy() for chunk in words.unify_dictionaries().chunks]
    return np.concatenate([*codes, np.empty(0, np.int64)]).astype(np.int64)


def _near_duplicates(
    dataset: DataSet, splits: tuple[str, str], rows: tuple[Ints, Ints], hashes: _Hashes, most_bits: int
) -> list[Leak]:
    pairs = close_pairs(hashes[rows[0]], hashes[rows[1]], most_bits)
    return [
        Leak("near_duplicate", dataset.key(int(rows[0][i])), dataset.key(int(rows[1][j])), splits, num)
        for i, j, num in islice(pairs, MOST_LEAKS)
    ]


def _hashes(dataset: DataSet) -> _Hashes | None:
    """Of each row's image; a row without one gets a number that is near no other."""
    if "image_hash" in dataset.column_names:
        column = dataset.index["image_hash"]
        if not column.null_count:
            return cast(_Hashes, column.to_numpy().astype(np.int64).view(np.uint64))
    if "image.jpg" not in dataset.manifest.parts:
        return None
    return np.array([image_hash(dataset.read(row).image) for row in range(len(dataset))], np.int64).view(np.uint64)
