"""How often what is drawn: slices at weights, data sets at ratios, exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivetrain.core.errors import DataError, UsageError
from drivetrain.data import DataSet, Encoded, Loader, write_dataset
from drivetrain.data.codec import encode_all


def columns_of(n: int) -> dict[str, object]:
    return {"n": n, "rare": n % 10 == 0}


def made(folder: Path, num: int, name: str = "s") -> DataSet:
    """Samples with a number, each tenth rare, each second even."""
    return write_dataset(
        folder,
        (
            Encoded(f"{name}{n}", encode_all({"x.npy": np.full(3, n), "y.npy": np.zeros(n % 3)}), columns_of(n))
            for n in range(num)
        ),
    )


def drawn(loader: Loader, num_steps: int) -> list[str]:
    keys = [key for batch in islice(loader, num_steps) for key in batch["key"]]
    loader.close()
    return keys


def test_a_slice_is_drawn_so_much_more_often_exactly(tmp_path: Path) -> None:
    dataset = made(tmp_path / "set", 100)
    loader = Loader(dataset, global_batch=15, sampling={"rare": 9, "n < 50 and rare": 0.5})
    # 10 rare ones of weight 4.5 or 9, and 90 others: a period has 5*4.5 + 5*9 + 90 parts of a half.
    period = 2 * (5 * 4.5 + 5 * 9 + 90)
    counts = Counter(int(key[1:]) for key in drawn(loader, int(period) // 15))
    often = {n: counts[n] for n in (0, 50, 1, 99)}
    total = sum(counts[n] for n in range(0, 50, 10)), sum(counts[n] for n in range(50, 100, 10))
    assert total == (45, 90)
    assert often == {0: 9, 50: 18, 1: 2, 99: 2}


def test_a_slice_of_weight_0_is_left_out(tmp_path: Path) -> None:
    loader = Loader(made(tmp_path / "set", 20), global_batch=9, sampling={"rare": 0})
    assert loader.num_samples == 18
    assert sorted(drawn(loader, 2), key=lambda key: int(key[1:])) == [f"s{n}" for n in range(20) if n % 10]
    with pytest.raises(DataError, match="no samples in split train to draw"):
        Loader(tmp_path / "set", sampling={"n >= 0": 0})


def test_data_sets_are_mixed_at_exact_ratios_over_any_window(tmp_path: Path) -> None:
    sets = {"city": made(tmp_path / "a", 30), "road": made(tmp_path / "b", 7), "yard": made(tmp_path / "c", 5)}
    loader = Loader(sets, global_batch=10, ratios={"city": 5, "road": 3, "yard": 2})
    keys = drawn(loader, 20)
    assert loader.samples(3) == keys[30:40]
    for first in range(0, 190, 7):
        assert Counter(key.split("/")[0] for key in keys[first : first + 10]) == {"city": 5, "road": 3, "yard": 2}
    roads = [key for key in keys if key.startswith("road")]
    assert len(set(roads[:7])) == len(set(roads[7:14])) == 7
    assert roads[:7] != roads[7:14]


def test_without_ratios_an_epoch_has_each_sample_of_all_once(tmp_path: Path) -> None:
    loader = Loader({"a": made(tmp_path / "a", 9), "b": made(tmp_path / "b", 3)}, global_batch=4)
    assert len(set(drawn(loader, 3))) == 12


def test_ratios_and_weights_go_together(tmp_path: Path) -> None:
    sets = {"a": made(tmp_path / "a", 20), "b": made(tmp_path / "b", 20)}
    loader = Loader(sets, global_batch=8, ratios={"a": 3, "b": 1}, sampling={"rare": Fraction(9)})
    counts = Counter((key[0], key.endswith("0")) for key in drawn(loader, 16))
    assert counts == {("a", True): 48, ("a", False): 48, ("b", True): 16, ("b", False): 16}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"ratios": {"a": 1}}, "the data sets are"),
        ({"ratios": {"a": 0, "b": 1}}, "the ratio of a is 0"),
        ({"sampling": {"rare": -1}}, "rare has -1"),
        ({"sampling": {"rare": float("nan")}}, "rare has nan"),
        ({"sampling": {"weather = 1": 2}}, "weather"),
        ({"columns": ("speed",)}, "columns has speed, which no sample has"),
        ({"columns": ("n", "x")}, "columns has x"),
    ],
)
def test_what_cannot_be_drawn_is_refused(tmp_path: Path, wrong: dict[str, Any], words: str) -> None:
    sets = {"a": made(tmp_path / "a", 4), "b": made(tmp_path / "b", 4)}
    with pytest.raises((ValueError, UsageError), match=words):
        Loader(sets, **wrong)


def test_columns_come_with_their_samples_and_ragged_parts_as_lists(tmp_path: Path) -> None:
    loader = Loader(made(tmp_path / "set", 12), global_batch=12, columns=("n", "rare"))
    batch = next(iter(loader))
    loader.close()
    assert batch["n"].tolist() == batch["x"][:, 0].tolist() == [int(key[1:]) for key in batch["key"]]
    assert batch["rare"].dtype == np.bool_
    assert [len(y) for y in batch["y"]] == [n % 3 for n in batch["n"]]


def test_an_augmentation_changes_parts_and_columns_with_chance_of_the_sample(tmp_path: Path) -> None:
    def add(parts: Mapping[str, Any], columns: Mapping[str, Any], rng: np.random.Generator) -> Any:
        drawn = int(rng.integers(1, 1000))
        return {"x": parts["x"] + drawn}, {**columns, "n": columns["n"] + drawn}

    loader = Loader(made(tmp_path / "set", 6), global_batch=6, columns=("n",), augment=add)
    one, other = list(islice(loader, 2))
    loader.close()
    assert set(one) == {"x", "n", "key", "position"}
    assert (one["x"][:, 0] == one["n"]).all()
    assert len({*one["n"].tolist(), *other["n"].tolist()}) == 12
    with pytest.raises(ValueError, match="put a Flip into augment"):
        Loader(tmp_path / "set", augment=add, flip=True)
