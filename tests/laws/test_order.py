"""Order: the sample at position p of epoch e is a pure function of (seed, epoch, position), whoever asks, however."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.data import DataSet, Loader, SynthSpec, build_dataset, synth
from drivetrain.data.order import Order, permute

NUM_STEPS, GLOBAL_BATCH = 7, 24


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
    assert order.flips_at(positions).tolist() == [bool(order.flips_at(np.array([p]))[0]) for p in positions]


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
    assert abs(Order(1000, 0).flips_at(np.arange(50_000)).mean() - 0.5) < 0.01


def _steps(dataset: DataSet, world_size: int, threads: int, *, first: int, microbatch: int | None) -> list[list[str]]:
    """Keys of each step from `first` on, ranks and microbatches laid end to end."""
    parts: list[list[str]] = [[] for _ in range(first, NUM_STEPS)]
    for rank in range(world_size):
        loader = Loader(dataset, global_batch=GLOBAL_BATCH, microbatch=microbatch, seed=9, threads=threads, flip=True)
        loader.bind(rank=rank, world_size=world_size)
        loader.seek(first)
        batches = list(islice(loader, (NUM_STEPS - first) * loader.num_microbatches))
        loader.close()
        for number, batch in enumerate(batches):
            images = [str(image.tobytes()) for image in batch["image"]]
            parts[number // loader.num_microbatches] += [f"{k} {i}" for k, i in zip(batch["key"], images, strict=True)]
    return parts


@pytest.mark.parametrize("threads", [0, 1, 4])
@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 5, 7])
def test_ranks_threads_and_microbatches_change_nothing(dataset: DataSet, world_size: int, threads: int) -> None:
    alone = _steps(dataset, 1, 0, first=0, microbatch=None)
    for microbatch in (None, 2):
        assert _steps(dataset, world_size, threads, first=0, microbatch=microbatch) == alone


@pytest.mark.parametrize("world_size", [1, 2])
def test_going_to_a_step_is_the_same_as_never_having_stopped(dataset: DataSet, world_size: int) -> None:
    whole = _steps(dataset, world_size, 2, first=0, microbatch=4)
    for first in range(NUM_STEPS):
        assert _steps(dataset, world_size, 2, first=first, microbatch=4) == whole[first:]


@given(stops=st.lists(st.integers(0, 9), max_size=5), threads=st.sampled_from([0, 2]))
@settings(max_examples=15, deadline=None)
def test_saving_and_loading_anywhere_is_the_same_as_never_having_stopped(
    dataset: DataSet, stops: list[int], threads: int
) -> None:
    def fresh() -> Loader:
        return Loader(dataset, global_batch=6, microbatch=2, seed=1, threads=threads)

    never_stopped, loader = fresh(), fresh()
    never = [batch["position"].tolist() for batch in islice(never_stopped, sum(stops) + 1)]
    never_stopped.close()
    found = []
    for num in [*stops, 1]:
        found += [batch["position"].tolist() for batch in islice(loader, num)]
        state = loader.state_dict()
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
