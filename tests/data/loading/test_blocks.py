from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.data.loading.blocks import BlockOrder, Blocks
from drivetrain.data.order import mix

blocks = st.builds(Blocks, samples=st.integers(1, 12), window=st.integers(1, 9))


@given(n=st.integers(1, 700), seed=st.integers(0, 2**64 - 1), epoch=st.integers(0, 3), blocks=blocks)
@settings(max_examples=80, deadline=None)
def test_each_epoch_is_a_permutation(n: int, seed: int, epoch: int, blocks: Blocks) -> None:
    found = BlockOrder(n, seed, blocks).samples_at(np.arange(epoch * n, (epoch + 1) * n))
    assert np.array_equal(np.sort(found), np.arange(n))


@given(n=st.integers(1, 2**40), start=st.integers(0, 2**50), blocks=blocks)
@settings(max_examples=40, deadline=None)
def test_a_position_means_the_same_alone_and_among_others(n: int, start: int, blocks: Blocks) -> None:
    order = BlockOrder(n, 3, blocks)
    positions = np.arange(start, start + 20)
    assert order.samples_at(positions).tolist() == [int(order.samples_at(np.array([p]))[0]) for p in positions]


def test_a_window_reads_no_more_blocks_than_it_says() -> None:
    order = BlockOrder(600, 1, Blocks(samples=10, window=6))
    windows = order.samples_at(np.arange(600)).reshape(10, 60)
    shift = mix(mix(1, 0), 3) % 600
    assert [len(np.unique((window - shift) % 600 // 10)) for window in windows] == [6] * 10


def test_neighbours_are_parted_and_joined_anew_each_epoch() -> None:
    order = BlockOrder(1000, 0, Blocks(samples=10, window=8))
    epochs = [order.samples_at(np.arange(e * 1000, (e + 1) * 1000)) for e in range(2)]
    assert (epochs[0] == epochs[1]).mean() < 0.02
    assert abs(np.corrcoef(epochs[0], np.arange(1000))[0, 1]) < 0.3


@pytest.mark.parametrize("window", [1, 4, 25, 100])
def test_quality_is_how_many_blocks_a_batch_sees_beside_a_full_shuffle(window: int) -> None:
    blocks, n, batch = Blocks(samples=10, window=window), 2000, 16

    def seen(order: BlockOrder) -> float:
        """Mean number of blocks in batches that begin where windows do; `mix(..., 3)` is where an epoch's cuts are."""
        counts = []
        for epoch in range(60):
            samples = order.samples_at(np.arange(epoch * n, epoch * n + batch))
            counts.append(len(np.unique((samples - mix(mix(4, epoch), 3) % n) % n // 10)))
        return float(np.mean(counts))

    share = blocks.quality(n, batch)
    whole = Blocks(samples=10, window=200).quality(n, batch)
    assert whole == pytest.approx(1.0)
    expected_full = 200 * (1 - np.prod([(1990 - i) / (2000 - i) for i in range(batch)]))
    assert seen(BlockOrder(n, 4, blocks)) / expected_full == pytest.approx(share, abs=0.03)


def test_quality_grows_with_the_window_and_is_what_the_docstring_says() -> None:
    found = [Blocks(window=window).quality(1_000_000, 32) for window in (1, 16, 64, 256, 1024)]
    assert found == sorted(found)
    assert Blocks().quality(1_000_000, 32) == pytest.approx(0.94, abs=0.005)
    assert Blocks().quality(10, 8) == 1.0


@pytest.mark.parametrize(("samples", "window"), [(0, 1), (1, 0)])
def test_blocks_of_nothing_are_refused(samples: int, window: int) -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        Blocks(samples, window)
