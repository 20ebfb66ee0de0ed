"""What is drawn how often: data sets at ratios, slices at weights -> groups of rows, each with its exact share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from drivetrain.core.errors import DataError
from drivetrain.data.arrays import Ints
from drivetrain.data.dataset import DataSet
from drivetrain.data.loading.sequence import Group

Number = int | float | Fraction


def groups_of(
    datasets: Mapping[str, DataSet], split: str, ratios: Mapping[str, Number], weights: Mapping[str, Number]
) -> list[Group]:
    """The samples of a split of all data sets, those together that are drawn equally often.

    Args:
      datasets: by name.
      split: which part of each.
      ratios: how often each data set is drawn, by the same names; empty for the ratio of their sizes.
      weights: slice -> how much more often its samples are drawn than others of their data set. Of several slices that
        a sample is in, the weights are multiplied; 0 leaves it out.
    Raises: ValueError: a ratio or weight that cannot be. DataError: there are no samples.
    """
    if ratios and set(ratios) != set(datasets):
        raise ValueError(f"ratios are for {sorted(ratios)}, but the data sets are {sorted(datasets)}")
    exact = {where: _exact(where, weight) for where, weight in weights.items()}
    groups: list[Group] = []
    for source, (name, dataset) in enumerate(datasets.items()):
        ratio = _exact(name, ratios[name]) if ratios else None
        if ratio == 0:
            raise ValueError(f"the ratio of {name} is 0: leave the data set out instead")
        found = _weighted(dataset, dataset.rows(split), exact)
        total = sum((len(rows) * weight for rows, weight in found), Fraction(0))
        if not total:
            raise DataError(f"data set {dataset.path} has no samples in split {split}" + " to draw" * bool(weights))
        scale = Fraction(1) if ratio is None else ratio / total
        groups += [Group(source, rows, len(rows) * weight * scale) for rows, weight in found]
    return groups


def _weighted(dataset: DataSet, rows: Ints, weights: Mapping[str, Fraction]) -> list[tuple[Ints, Fraction]]:
    """Rows of one weight together; none of weight 0."""
    kinds: dict[Fraction, list[Ints]] = {}
    for part, weight in _parts(dataset, rows, list(weights.items())):
        if weight and len(part):
            kinds.setdefault(weight, []).append(part)
    return [(np.sort(np.concatenate(parts)) if len(parts) > 1 else parts[0], w) for w, parts in kinds.items()]


def _parts(dataset: DataSet, rows: Ints, weights: Sequence[tuple[str, Fraction]]) -> list[tuple[Ints, Fraction]]:
    """Rows cut by each slice in turn."""
    parts = [(rows, Fraction(1))]
    for where, weight in weights:
        is_in = np.zeros(len(dataset), np.bool_)
        is_in[dataset.rows(where)] = True
        parts = [
            cut
            for part, before in parts
            for cut in ((part[~is_in[part]], before), (part[is_in[part]], before * weight))
            if len(cut[0])
        ]
    return parts


def _exact(name: str, number: Number) -> Fraction:
    """A number as it was written: 0.1 is a tenth."""
    try:
        exact = Fraction(str(number))
    except ValueError:
        exact = Fraction(-1)
    if exact < 0:
        raise ValueError(f"{name} has {number}; expected a number that is 0 or more")
    return exact
