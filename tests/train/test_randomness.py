"""All generators of a rank at once."""

from __future__ import annotations

import random

import numpy as np
import torch

from drivetrain.train import randomness

CPU = torch.device("cpu")


def draw() -> list[float]:
    return [float(torch.rand(())), float(np.random.rand()), float(np.random.normal()), random.random(), random.gauss()]


def test_generators_go_on_from_where_they_were() -> None:
    randomness.seed_all(1)
    draw()  # leaves half of a normal pair in numpy's and python's generators
    state = randomness.capture(CPU)
    expected = [draw() for _ in range(3)]
    randomness.seed_all(2)
    randomness.restore(state, CPU)
    assert [draw() for _ in range(3)] == expected


def test_seeds_and_keys_give_streams_of_their_own() -> None:
    streams = []
    for keys in [(1,), (1,), (2,), (1, "rank", 0), (1, "rank", 1)]:
        randomness.seed_all(*keys)
        streams.append(tuple(draw()))
    assert streams[0] == streams[1]
    assert len(set(streams)) == 4


def drawn_at(seed: int, rank: int, step: int) -> tuple[float, ...]:
    randomness.StepSeeds(seed, rank, CPU)(step)
    return tuple(draw())


def test_what_a_step_draws_is_a_function_of_seed_rank_and_step() -> None:
    keys = [(seed, rank, step) for seed in (0, 1) for rank in range(4) for step in (0, 1, 2, 3, 10**9)]
    first = {key: drawn_at(*key) for key in keys}
    assert {key: drawn_at(*key) for key in reversed(keys)} == first
    for number in range(4):  # of each generator that draws uniformly; the fifth is Gaussian like the third
        assert len({draws[number] for draws in first.values()}) == len(keys)
