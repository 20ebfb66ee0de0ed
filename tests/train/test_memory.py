"""What a rank that outlives its attempt remembers, and which rank's memory all go on from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from drivetrain.train.memory import Offer, StepStart, source
from drivetrain.train.randomness import StepSeeds

RANKS = Path(__file__).with_name("memory_ranks.py")
steps = st.integers(0, 4)
offers = st.lists(
    st.builds(lambda step: Offer(step, step - 1), steps) | st.builds(Offer, st.none(), st.none() | st.integers(-1, 4)),
    min_size=1,
    max_size=5,
)


@given(offers=offers, saved_step=steps)
def test_memory_is_used_where_all_agree_and_nothing_newer_is_saved(offers: list[Offer], saved_step: int) -> None:
    rank = source(offers, saved_step)
    held = {each.held_step for each in offers if each.held_step is not None}
    if rank is None:
        (step,) = held if len(held) == 1 else (None,)
        everyone_finished = all(each.finished_step is not None for each in offers) and (
            step is None or min(each.finished_step for each in offers) >= step - 1
        )
        assert step is None or step < saved_step or not everyone_finished
    else:
        assert held == {offers[rank].held_step}
        assert offers[rank].held_step >= saved_step
        assert all(each.finished_step >= offers[rank].held_step - 1 for each in offers)


@given(offers=offers, saved_step=steps, seed=st.randoms())
def test_which_rank_holds_what_decides_nothing_but_the_source(
    offers: list[Offer], saved_step: int, seed: object
) -> None:
    shuffled = list(offers)
    seed.shuffle(shuffled)
    assert (source(offers, saved_step) is None) == (source(shuffled, saved_step) is None)


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_all_kinds_of_tensors_arrive_as_they_were_and_training_goes_on(num_ranks: int) -> None:
    done = subprocess.run([sys.executable, RANKS, str(num_ranks)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_buffers_are_those_before_the_step_that_memory_is_of() -> None:
    network = nn.BatchNorm1d(2)
    start = StepStart(network, StepSeeds(0, 0, torch.device("cpu")))
    start(7)
    network(torch.randn(4, 2))
    assert [each.tolist() for each in start.buffers_before(7)] == [[0, 0], [1, 1], 0]  # the step is under way
    assert start.buffers_before(8)[2] == 1  # it is finished, and the next one has not begun
    start(8)
    assert start.buffers_before(8)[2] == 1
