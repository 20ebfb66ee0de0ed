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

from drivetrain.train.comeback import StepStart
from drivetrain.train.memory import Offer, sources
from drivetrain.train.randomness import StepSeeds

RANKS = Path(__file__).with_name("memory_ranks.py")
steps = st.integers(0, 4)


@st.composite
def offers_of(draw: st.DrawFn) -> list[Offer]:
    """Of ranks that divide the state into some number of parts, those of one copy after those of another."""
    num_parts = draw(st.integers(1, 3))
    found = []
    for rank in range(num_parts * draw(st.integers(1, 3))):
        step, finished = draw(st.none() | steps), draw(st.none() | st.integers(-1, 4))
        found.append(Offer(rank % num_parts, step, finished if step is None else step - 1))
    return found


@given(offers=offers_of(), saved_step=steps)
def test_memory_is_used_where_all_agree_and_nothing_newer_is_saved(offers: list[Offer], saved_step: int) -> None:
    found = sources(offers, saved_step)
    held = {each.held_step for each in offers if each.held_step is not None}
    step = min(held, default=-1)
    parts = {each.part for each in offers}
    is_usable = (
        len(held) == 1
        and step >= saved_step
        and all(each.finished_step is not None and each.finished_step >= step - 1 for each in offers)
        and {each.part for each in offers if each.held_step is not None} == parts
    )
    assert (found is not None) == is_usable
    for part, rank in (found or {}).items():
        assert (offers[rank].part, offers[rank].held_step) == (part, step)
    assert found is None or found.keys() == parts


@given(offers=offers_of(), saved_step=steps, seed=st.randoms())
def test_which_rank_holds_what_decides_nothing_but_the_source(
    offers: list[Offer], saved_step: int, seed: object
) -> None:
    shuffled = list(offers)
    seed.shuffle(shuffled)
    assert (sources(offers, saved_step) is None) == (sources(shuffled, saved_step) is None)


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
