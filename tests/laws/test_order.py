"""Order: the sample at position p of epoch e is a pure function of (seed, epoch, position), whoever asks, however."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.data import Blocks, DataSet, Loader, SynthSpec, build_dataset, synth
from drivetrain.data.order import Order, is_mirrored, permute

NUM_STEPS, GLOBAL_BATCH = 5, 24
Steps: TypeAlias = dict[str, list[list[str]]]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    log = synth(SynthSpec(duration_s=1.4, width=32, height=18))
    return build_dataset(log, tmp_path_factory.mktemp("order") / "set", size=(16, 9), held_out=0)


@given(n=st.integers(1, 3000), key=st.integers(0, 2**64 - 1))
@settings(max_examples=60, deadline=None)
def test_each_epoch_is_a_permutation(n: int, key: int) -> None:
    assert np.array_equal(np.sort(permute(np.arange(n, dtype=np.int64), n, key=key)), np.arange(n))


@given(n=st.integers(1, 2**40), seed=st.integers(-(2**63), 2**63), start=st.integers(0, 2**55))
@settings(max_examples=60, deadline=None)
def test_a_position_means_the_same_alone_and_among_others(n: int, seed: int, start: int) -> None:
    order = Order(n, seed)
    positions = np.arange(start, start + 20)
    together = order.samples_at(positions)
    assert ((together >= 0) & (together < n)).all()
    assert together.tolist() == [int(order.samples_at(np.array([p]))[0]) for p in positions]


def test_epochs_and_seeds_differ_and_look_shuffled() -> None:
    n = 1000
    epochs = [Order(n, seed).samples_at(np.arange(e * n, (e + 1) * n)) for seed in (0, 1) for e in (0, 1)]
    for i, one in enumerate(epochs):
        assert abs(np.corrcoef(one, np.arange(n))[0, 1]) < 0.12
        for other in epochs[i + 1 :]:
            assert (one == other).mean() < 0.01
            assert abs(np.corrcoef(one, other)[0, 1]) < 0.12


def test_every_place_of_a_small_epoch_is_as_likely_for_every_sample() -> None:
    n, num_epochs = 7, 2100
    seen = Order(n, 5).samples_at(np.arange(n * num_epochs)).reshape(num_epochs, n)
    counts = np.stack([np.bincount(seen[:, place], minlength=n) for place in range(n)])
    assert ((counts - 300.0) ** 2 / 300).sum() < 80  # chi square with 36 degrees of freedom: 1 in 30,000


def test_a_mirror_image_is_a_fair_coin() -> None:
    coins = [is_mirrored(0, epoch, sample) for epoch in range(50) for sample in range(1000)]
    assert abs(np.mean(coins) - 0.5) < 0.01


def _drawn(samples: Mapping[str, Any], columns: Mapping[str, Any], rng: np.random.Generator) -> Any:
    """An augmentation whose chance shows in the pixels."""
    return {"image": samples["image"] ^ rng.integers(256, dtype=np.uint8)}, columns


WAYS: dict[str, dict[str, Any]] = {
    "plain": {"flip": True},
    "blocks": {"shuffle": Blocks(samples=3, window=2), "augment": _drawn},
    "weighted": {"sampling": {"t_ns % 3 = 0": 3, "camera = 'front' and t_ns % 2 = 0": 0.5}, "augment": _drawn},
    "mixed": {"ratios": {"one": 2, "other": 1}, "shuffle": Blocks(samples=2, window=3)},
}
"""Settings of a loader that change its order or its pixels."""


def _steps(
    dataset: DataSet, world_size: int, threads: int, *, first: int, microbatch: int | None, way: str = "plain"
) -> list[list[str]]:
    """Keys and pixels of each step from `first` on, ranks and microbatches laid end to end."""
    parts: list[list[str]] = [[] for _ in range(first, NUM_STEPS)]
    used: Any = {"one": dataset, "other": dataset} if way == "mixed" else dataset
    for rank in range(world_size):
        loader = Loader(used, global_batch=GLOBAL_BATCH, microbatch=microbatch, seed=9, threads=threads, **WAYS[way])
        loader.bind(rank=rank, world_size=world_size)
        loader.seek(first)
        batches = list(islice(loader, (NUM_STEPS - first) * loader.num_microbatches))
        loader.close()
        for number, batch in enumerate(batches):
            images = [str(image.tobytes()) for image in batch["image"]]
            parts[number // loader.num_microbatches] += [f"{k} {i}" for k, i in zip(batch["key"], images, strict=True)]
    return parts


@pytest.fixture(scope="module")
def alone(dataset: DataSet) -> Steps:
    """What one rank that reads when asked gives."""
    return {way: _steps(dataset, 1, 0, first=0, microbatch=None, way=way) for way in WAYS}


@pytest.mark.parametrize("threads", [0, 1, 4])
@pytest.mark.parametrize("world_size", [1, 2, 3, 8])
@pytest.mark.parametrize("way", list(WAYS))
def test_ranks_threads_and_microbatches_change_nothing(
    dataset: DataSet, alone: Steps, way: str, world_size: int, threads: int
) -> None:
    for microbatch in (None, 2):
        assert _steps(dataset, world_size, threads, first=0, microbatch=microbatch, way=way) == alone[way]


@pytest.mark.parametrize("world_size", [1, 2])
@pytest.mark.parametrize("way", list(WAYS))
def test_going_to_a_step_is_the_same_as_never_having_stopped(
    dataset: DataSet, alone: Steps, way: str, world_size: int
) -> None:
    for first in range(NUM_STEPS):
        assert _steps(dataset, world_size, 2, first=first, microbatch=4, way=way) == alone[way][first:]


@given(
    world_size=st.integers(1, 8),
    threads=st.sampled_from([0, 1, 4]),
    first=st.integers(0, NUM_STEPS - 1),
    microbatch=st.none() | st.integers(1, 5),
    way=st.sampled_from(list(WAYS)),
)
@settings(max_examples=15, deadline=None)
def test_any_number_of_ranks_from_any_step_on_gives_the_sequence_of_one(
    dataset: DataSet, alone: Steps, world_size: int, threads: int, first: int, microbatch: int | None, way: str
) -> None:
    found = _steps(dataset, world_size, threads, first=first, microbatch=microbatch, way=way)
    taken_once = [list(dict.fromkeys(step)) for step in found]  # a rank with too few samples takes one of them again
    assert taken_once == [list(dict.fromkeys(step)) for step in alone[way][first:]]


@given(
    stops=st.lists(st.integers(0, 9), max_size=5),
    threads=st.sampled_from([0, 1, 4]),
    way=st.sampled_from(["plain", "blocks", "weighted"]),
)
@settings(max_examples=15, deadline=None)
def test_saving_and_loading_anywhere_is_the_same_as_never_having_stopped(
    dataset: DataSet, stops: list[int], threads: int, way: str
) -> None:
    def fresh() -> Loader:
        return Loader(dataset, global_batch=6, microbatch=2, seed=1, threads=threads, **WAYS[way])

    never_stopped, loader = fresh(), fresh()
    never = [batch["position"].tolist() for batch in islice(never_stopped, sum(stops) + 1)]
    never_stopped.close()
    found = []
    for num in [*stops, 1]:
        found += [batch["position"].tolist() for batch in islice(loader, num)]
        state = loader.state_dict()
        assert len(json.dumps(state)) < 1000
        loader.close()
        loader = fresh()
        loader.load_state_dict(state)
    loader.close()
    assert found == never


def test_a_position_saved_between_steps_is_good_for_another_world_size(dataset: DataSet) -> None:
    one = Loader(dataset, global_batch=8, threads=0)
    first = [key for batch in islice(one, 3) for key in batch["key"]]
    two = [Loader(dataset, global_batch=8, threads=0) for _ in range(2)]
    for rank, loader in enumerate(two):
        loader.bind(rank=rank, world_size=2)
        loader.load_state_dict(one.state_dict())
    then = [key for loader in two for key in next(iter(loader))["key"]]
    assert then == next(iter(one))["key"]
    assert len(first) == 24


def test_a_data_set_elsewhere_gives_the_same_order(dataset: DataSet, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(dataset.path, tmp_path / "elsewhere")
    keys = [[b["key"] for b in islice(Loader(p, threads=0), 5)] for p in (dataset.path, tmp_path / "elsewhere")]
    assert keys[0] == keys[1]
