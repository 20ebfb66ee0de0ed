"""Which samples train and which are held out, so that nothing seen in training comes back in the test."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.units import NS_PER_S
from drivetrain.data.arrays import Floats, Ints, Mask

Words = NDArray[np.str_]
LEFT_OUT = ""
"""Of samples that are too near the other side to be of either."""


@dataclass(frozen=True, slots=True)
class SplitBy:
    """How to part samples into `train` and `held_out`; equal values part equal samples equally, in any order.

    Attributes:
      what: `drive` keeps each drive whole; `place` keeps each square of a map whole, whoever drove there; `time` holds
        out what is last of all.
      held_out: share that is held out, about; 0 to 1.
      seed: of which drives or places.
      cell_m: side of a square, metres.
      margin_m: samples of the training part this near to a held-out square are left out.
      gap_s: samples of the training part this near in time to held-out ones of the same drive are left out.
    """

    what: Literal["drive", "place", "time"] = "time"
    held_out: float = 0.2
    seed: int = 0
    cell_m: float = 100.0
    margin_m: float = 20.0
    gap_s: float = 0.0

    def __post_init__(self) -> None:
        if self.what not in ("drive", "place", "time") or not 0 <= self.held_out < 1:
            raise ValueError(f"what={self.what!r} (drive, place or time) and held_out={self.held_out} (0 to below 1)")
        if not self.cell_m > 0 or self.margin_m < 0 or self.gap_s < 0 or self.margin_m > self.cell_m:
            limits = "cell_m (above 0), margin_m (0 to cell_m), gap_s (0 or more)"
            raise ValueError(f"out of range: {limits}; they are {self.cell_m}, {self.margin_m} and {self.gap_s}")


def split(by: SplitBy, *, drive_N: Sequence[str], t_N_ns: Ints, xy_N2: Floats | None = None) -> Words:
    """`train`, `held_out` or `LEFT_OUT` for each sample.

    Args:
      by: how.
      drive_N: which drive each is of.
      t_N_ns: when it was taken, int64.
      xy_N2: where, metres, one map for all drives; needed for `place`. A place that is not known (NaN) is left out.
    """
    if by.what == "place":
        if xy_N2 is None:
            raise ValueError("to split by place, say where samples are (xy_N2)")
        words = _by_place(by, xy_N2)
    elif by.what == "drive":
        held = _held(by, set(drive_N))
        words = np.where([drive in held for drive in drive_N], "held_out", "train")
    else:
        words = _by_time(by, t_N_ns)
    return _with_gap(by, words, drive_N, t_N_ns) if by.gap_s else words


def _by_time(by: SplitBy, t_N_ns: Ints) -> Words:
    if not len(t_N_ns) or not by.held_out:
        return np.full(len(t_N_ns), "train")
    cut_ns = np.sort(t_N_ns)[min(len(t_N_ns) - 1, int(len(t_N_ns) * (1 - by.held_out)))]
    return cast(Words, np.where(t_N_ns >= cut_ns, "held_out", "train"))


def _by_place(by: SplitBy, xy_N2: Floats) -> Words:
    """A point within the margin of a held-out square has, at that distance, one of eight directions that is in it."""
    known_N: Mask = np.asarray(np.isfinite(xy_N2).all(axis=1))
    at_N2 = np.where(known_N[:, None], xy_N2, 0.0)
    held = _held(by, set(_squares(by, at_N2[known_N])))
    held_N = np.array([square in held for square in _squares(by, at_N2)], np.bool_)
    near_N = held_N.copy()
    for dx in (-by.margin_m, 0.0, by.margin_m):
        for dy in (-by.margin_m, 0.0, by.margin_m):
            near_N |= [square in held for square in _squares(by, at_N2 + np.array([dx, dy]))]
    return np.select([~known_N, held_N, near_N], [LEFT_OUT, "held_out", LEFT_OUT], "train")


def _squares(by: SplitBy, xy_N2: Floats) -> list[str]:
    return [f"{x},{y}" for x, y in np.floor(xy_N2 / by.cell_m).astype(np.int64).tolist()]


def _held(by: SplitBy, names: set[str]) -> set[str]:
    """Those held out: each by its own chance, so that more data changes no side; at least one of two, and never all."""
    chances = sorted((_chance(by.seed, name), name) for name in names)
    held = [name for chance, name in chances if chance < by.held_out]
    if by.held_out and len(chances) > 1:
        held = [name for _, name in chances[: min(max(len(held), 1), len(chances) - 1)]]
    return set(held)


def _with_gap(by: SplitBy, words: Words, drive_N: Sequence[str], t_N_ns: Ints) -> Words:
    words, drives = words.astype("<U8"), np.asarray(drive_N)
    gap_ns = round(by.gap_s * NS_PER_S)
    for drive in np.unique(drives):
        held_ns = np.sort(t_N_ns[(drives == drive) & (words == "held_out")])
        train = np.flatnonzero((drives == drive) & (words == "train"))
        if len(held_ns) and len(train):
            after = np.searchsorted(held_ns, t_N_ns[train])
            before_ns = t_N_ns[train] - held_ns[np.maximum(after - 1, 0)]
            after_ns = held_ns[np.minimum(after, len(held_ns) - 1)] - t_N_ns[train]
            distance_ns = np.minimum(np.abs(before_ns), np.abs(after_ns))
            words[train[distance_ns < gap_ns]] = LEFT_OUT
    return words


def _chance(seed: int, name: str) -> float:
    """A number from 0 to 1 that depends on nothing but these."""
    digest = hashlib.blake2b(f"{seed} {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") / 2**64
