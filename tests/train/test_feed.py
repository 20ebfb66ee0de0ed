"""Any loader becomes endless microbatches."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from drivetrain.core.errors import ConfigError, DataError, UsageError
from drivetrain.train.feed import Feed, open_feed
from drivetrain.train.topology import Topology

ALONE = Topology(0, 1, 0, torch.device("cpu"), "gloo")
RANK_1_OF_2 = Topology(1, 2, 1, torch.device("cpu"), "gloo")


class Ordered:
    global_batch = 8

    def __init__(self) -> None:
        self.bound = (0, 1)
        self.at = 0
        self.is_closed = False

    def bind(self, *, rank: int, world_size: int) -> None:
        if self.global_batch % world_size:
            raise ValueError(f"global_batch 8 cannot be shared by {world_size} ranks")
        self.bound = (rank, world_size)

    @property
    def num_microbatches(self) -> int:
        return 2

    def seek(self, step: int) -> None:
        self.at = step * 2

    def __iter__(self) -> Iterator[int]:
        return itertools.count(self.at)

    def close(self) -> None:
        self.is_closed = True


def take(feed: Feed, num: int, step: int = 0) -> list[object]:
    return list(itertools.islice(feed.microbatches(step), num))


def test_an_ordered_loader_is_bound_and_begins_at_any_step() -> None:
    loader = Ordered()
    feed = open_feed(loader, RANK_1_OF_2, 8)
    assert (loader.bound, feed.num_microbatches, feed.exact) == ((1, 2), 2, True)
    assert take(feed, 3, step=5) == [10, 11, 12]
    feed.close()
    assert loader.is_closed


def test_weights_are_equal_unless_the_loader_knows_better() -> None:
    class Uneven(Ordered):
        weights = (0.25, 1.0)

        def samples(self, step: int) -> list[str]:
            return [f"s{step}"]

    assert open_feed(Ordered(), ALONE, None).weights == (0.5, 0.5)
    assert open_feed(Uneven(), ALONE, None).weights == (0.25, 1.0)
    assert open_feed(Uneven(), ALONE, None).samples(3) == ["s3"]


@pytest.mark.parametrize("loader", [Ordered(), [1]])
def test_a_loader_that_names_no_samples_is_told_what_to_have(loader: object) -> None:
    with pytest.raises(UsageError, match="cannot name the samples") as caught:
        open_feed(loader, ALONE, None).samples(0)
    assert "samples(step)" in caught.value.hint


def test_an_ordered_loader_and_the_run_must_agree_on_the_global_batch() -> None:
    with pytest.raises(ConfigError, match="16 for the run and 8 for the loader"):
        open_feed(Ordered(), ALONE, 16)
    with pytest.raises(ConfigError, match="3 ranks"):
        open_feed(Ordered(), Topology(0, 3, 0, torch.device("cpu"), "gloo"), None)


def test_a_finite_iterable_is_gone_through_again_and_again() -> None:
    assert take(open_feed([1, 2, 3], ALONE, None), 7) == [1, 2, 3, 1, 2, 3, 1]


@pytest.mark.parametrize("loader", [[], iter([])])
def test_a_loader_without_batches_is_an_error_and_no_endless_wait(loader: object) -> None:
    with pytest.raises(DataError, match="no batch"):
        take(open_feed(loader, ALONE, None), 1)


def test_an_iterator_that_can_be_read_once_is_an_error_when_it_is_over() -> None:
    with pytest.raises(DataError, match="no batch") as caught:
        take(open_feed(iter([1, 2]), ALONE, None), 3)
    assert "only once" in caught.value.hint


def test_what_cannot_be_iterated_is_refused() -> None:
    with pytest.raises(TypeError, match="int"):
        open_feed(3, ALONE, None)


def test_the_global_batch_says_how_many_microbatches_make_a_step() -> None:
    loader = DataLoader(TensorDataset(torch.zeros(8, 1)), batch_size=4)
    assert open_feed(loader, ALONE, 12).num_microbatches == 3
    assert open_feed(loader, ALONE, None).num_microbatches == 1
    with pytest.raises(ConfigError, match="10, which is no multiple of 1 ranks x batch_size 4"):
        open_feed(loader, ALONE, 10)
    with pytest.raises(ConfigError, match="does not say") as caught:
        open_feed([1], ALONE, 4)
    assert "batch_size" in caught.value.hint


def test_rank_0_tells_for_all_that_every_rank_reads_everything() -> None:
    loader = DataLoader(TensorDataset(torch.zeros(8, 1)), batch_size=4)
    with pytest.warns(UserWarning, match="all 2 ranks read the same data set"):
        open_feed(loader, replace(RANK_1_OF_2, rank=0), None)
    open_feed(loader, RANK_1_OF_2, None)  # a warning would be an error here


def test_a_shuffled_loader_goes_on_in_the_same_order_even_in_its_second_epoch() -> None:
    def fresh() -> Feed:
        return open_feed(DataLoader(TensorDataset(torch.arange(5)), batch_size=1, shuffle=True), ALONE, None)

    torch.manual_seed(1)
    feed = fresh()
    rows = feed.microbatches(0)
    before = [next(rows)[0].item() for _ in range(7)]
    state, random = feed.state(), torch.get_rng_state()
    after = [next(rows)[0].item() for _ in range(9)]

    torch.manual_seed(99)
    resumed = fresh()
    resumed.load(state)
    torch.set_rng_state(random)
    with pytest.warns(UserWarning, match="skipping 2 batches"):
        assert [batch[0].item() for batch in take(resumed, 9)] == after
    assert sorted(before[:5]) == list(range(5))


def test_a_loader_that_has_become_shorter_is_an_error() -> None:
    feed = open_feed([1, 2, 3, 4], ALONE, None)
    take(feed, 4)
    shorter = open_feed([1, 2], ALONE, None)
    shorter.load(feed.state())
    with pytest.warns(UserWarning), pytest.raises(DataError, match="ended after 2 batches"):  # noqa: PT030
        take(shorter, 1)


def test_a_distributed_sampler_is_told_the_epoch() -> None:
    class Sampler:
        def __init__(self) -> None:
            self.epochs: list[int] = []

        def set_epoch(self, epoch: int) -> None:
            self.epochs.append(epoch)

    class Loader(list):
        sampler = Sampler()

    take(open_feed(Loader([1, 2]), ALONE, None), 5)
    assert Loader.sampler.epochs == [0, 1, 2]
