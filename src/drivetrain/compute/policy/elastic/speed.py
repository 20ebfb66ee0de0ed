"""How fast a job is at any size: its step time fitted to what it measured, times what a larger batch is worth.

Source: Pollux (OSDI'21), sections 3.1 and 4.1. Compute time is linear in the samples of a GPU, the exchange of
gradients linear in the GPUs (with other constants across nodes than in one), and the two overlap in part:
step = (compute^overlap + exchange^overlap)^(1 / overlap). The worth of a batch follows from the gradient's noise.
"""

from __future__ import annotations

from dataclasses import astuple
from functools import lru_cache

import numpy as np

from drivetrain.compute.policy.elastic.kernels import NUM_PARAMETERS, TINY
from drivetrain.compute.policy.elastic.sizes import Floats
from drivetrain.compute.policy.elastic.values import Batch, Measured, Speed

_START = (1e-1, 1e-2, 1e-1, 1e-2, 1e-1, 1e-2, 1.0 + 1e-3)
_NODES_DEARER = 1.1
"""Before a second node was seen, exchange across nodes is taken to cost so many times that in one."""


def fit(measured: tuple[Measured, ...]) -> Speed:
    """The speed that explains best what was measured: least error of the logarithms of both times.

    What was not seen yet (several nodes, several GPUs, a second batch size) is taken to be free, so that it gets tried.
    """
    from drivetrain.compute.policy.elastic.kernels.fitting import least_misfit

    rows = np.array(
        [(m.num_nodes, m.num_gpus, m.local_batch, max(m.step_s - m.sync_s, TINY), m.step_s) for m in measured]
    )
    start, free = np.array(_START), np.ones(NUM_PARAMETERS)
    for k, value in _unseen(rows):
        start[k], free[k] = value, 0.0
    found = least_misfit(start, free, rows)
    if not (rows[:, 0] > 1).any():
        found[2] = max(found[2], found[4] * _NODES_DEARER)
        found[3] = max(found[3], found[5] * _NODES_DEARER)
    return Speed(*found.tolist())


@lru_cache(maxsize=65536)
def speed_array(speed: Speed) -> Floats:
    """For the kernels, float64 [7]."""
    return np.array(astuple(speed))


@lru_cache(maxsize=1024)
def batch_array(batch: Batch) -> Floats:
    """For the kernels, float64 [4]."""
    return np.array(astuple(batch), dtype=np.float64)


def _unseen(rows: Floats) -> list[tuple[int, float]]:
    """Parameters that nothing was measured about: index and value."""
    nodes, gpus, local, compute_s = rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3]
    unseen: list[tuple[int, float]] = []
    if len(np.unique(local)) == 1:
        unseen.append((0, float(compute_s.mean()) / 2))
    if not (nodes > 1).any():
        unseen += [(2, TINY), (3, TINY)]
    if not ((nodes == 1) & (gpus > 1)).any():
        unseen += [(4, TINY), (5, TINY)]
    if not (gpus > 2).any():
        unseen += [(3, TINY), (5, TINY)]
    return unseen
