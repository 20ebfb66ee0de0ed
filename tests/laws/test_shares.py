"""Any number of ranks shares a step: the same samples in the same order, and the gradient of their mean."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.data.share import Share


@st.composite
def shares(draw: st.DrawFn) -> list[Share]:
    """Those of all ranks."""
    global_batch = draw(st.integers(1, 40))
    world_size = draw(st.integers(1, global_batch))
    microbatch = draw(st.none() | st.integers(1, 12))
    return [
        Share.divide(global_batch, rank=rank, world_size=world_size, microbatch=microbatch)
        for rank in range(world_size)
    ]


def parts_of(share: Share, step: int) -> list[tuple[np.ndarray, float]]:
    """Positions and weight of each microbatch of a step."""
    num = share.num_microbatches
    return [(share.positions(step * num + part), share.weights[part]) for part in range(num)]


@settings(max_examples=50, deadline=None)
@given(shares=shares(), step=st.integers(0, 5))
def test_the_ranks_of_a_step_take_the_samples_that_one_rank_takes_in_its_order(shares: list[Share], step: int) -> None:
    global_batch = shares[0].global_batch
    taken = [position for share in shares for part, weight in parts_of(share, step) if weight for position in part]
    assert taken == list(range(step * global_batch, (step + 1) * global_batch))


@settings(max_examples=50, deadline=None)
@given(shares=shares())
def test_ranks_are_in_step_and_their_microbatches_of_about_one_size(shares: list[Share]) -> None:
    assert len({share.num_microbatches for share in shares}) == 1
    sizes = [len(part) for share in shares for part, _ in parts_of(share, 0)]
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 1
    if shares[0].global_batch % len(shares) == 0:
        assert {weight for share in shares for weight in share.weights} == {1 / shares[0].num_microbatches}


@settings(max_examples=50, deadline=None)
@given(shares=shares(), seed=st.integers(0, 1000))
def test_the_averaged_gradient_is_that_of_the_mean_over_the_step(shares: list[Share], seed: int) -> None:
    rows = torch.randn(shares[0].global_batch, 3, generator=torch.Generator().manual_seed(seed))
    weight = torch.ones(3, requires_grad=True)

    def loss(positions: np.ndarray) -> torch.Tensor:
        return (rows[torch.from_numpy(positions)] @ weight).sin().mean()

    (expected,) = torch.autograd.grad(loss(np.arange(len(rows))), weight)
    total = sum(factor * loss(part) for share in shares for part, factor in parts_of(share, 0)) / len(shares)
    (found,) = torch.autograd.grad(total, weight)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
