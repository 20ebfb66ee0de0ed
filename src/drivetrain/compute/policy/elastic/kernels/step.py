"""How long a step takes by a fitted speed, and the batch with the most progress a second.

A speed is an array of seven, in the order of `values.Speed`; a batch one of four, in that of `values.Batch`.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from drivetrain.compute.compiled import compiled
from drivetrain.compute.policy.elastic.kernels import TINY

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NUM_BATCHES = 50
"""Batch sizes tried between the smallest and the largest, in equal ratios; as Pollux does."""


@compiled
def exchange_s(speed: Floats, num_nodes: float, num_gpus: float) -> float:
    """Seconds that exchanging gradients takes."""
    more = max(num_gpus - 2.0, TINY)
    if num_nodes > 1:
        return float(speed[2] + speed[3] * more)
    if num_gpus > 1:
        return float(speed[4] + speed[5] * more)
    return TINY + TINY * more


@compiled
def step_s(speed: Floats, num_nodes: float, num_gpus: float, local: float, parts: float) -> float:
    """Seconds of a step whose batch is computed in `parts` + 1 parts of `local` samples a GPU."""
    compute = speed[0] + speed[1] * local
    other = exchange_s(speed, num_nodes, num_gpus)
    overlap = speed[6]
    last = math.exp(math.log(compute**overlap + other**overlap) / overlap)
    return float(parts * compute + last)


@compiled
def worth(sqr: float, var: float, scale: float) -> float:
    """How many steps at the smallest batch one at `scale` times it is worth."""
    below = var / scale + sqr
    return (var + sqr) / below if below > 0 else 1.0


@compiled
def shared_out(batch: float, num_gpus: int, smallest: float, largest_local: float) -> tuple[int, int]:
    """(samples a GPU takes at once, how often more it accumulates) for a batch.

    One GPU with more than the smallest batch accumulates at least once: the noise is estimated from the difference.
    """
    each = batch / num_gpus
    parts = math.ceil(each / largest_local - TINY) - 1
    if num_gpus == 1 and batch > smallest + TINY:
        parts = max(1, parts)
    return math.ceil(each / (parts + 1) - TINY), parts


@compiled
def best_batch(
    speed: Floats, sqr: float, var: float, batch4: Floats, num_nodes: int, num_gpus: int
) -> tuple[float, int, int]:
    """(progress a second, samples a GPU takes at once, accumulations) at the best batch; zeros where there is none."""
    smallest, largest, least_local, most_local = batch4
    low = max(smallest, least_local * num_gpus)
    best, best_local, best_parts = 0.0, 0, 0
    if low > largest:
        return best, best_local, best_parts
    ratio = (largest / low) ** (1.0 / (NUM_BATCHES - 1))
    for k in range(NUM_BATCHES):
        batch = largest if k == NUM_BATCHES - 1 else low * ratio**k
        local, parts = shared_out(batch, num_gpus, smallest, most_local)
        if least_local <= local <= most_local:
            scale = num_gpus * local * (parts + 1) / smallest
            rate = worth(sqr, var, scale) / step_s(speed, num_nodes, num_gpus, local, parts)
            if rate > best:
                best, best_local, best_parts = rate, local, parts
    return best, best_local, best_parts


@compiled
def best_rates(speed: Floats, sqr: float, var: float, batch4: Floats, sizes_S: Ints, gpus_per_node: int) -> Floats:
    """Progress a second at each size and its best batch; 0 where it cannot run. float64 [S]."""
    rate_S = np.zeros(sizes_S.shape[0])
    for s in range(1, sizes_S.shape[0]):
        gpus = sizes_S[s]
        rate_S[s] = best_batch(speed, sqr, var, batch4, (gpus + gpus_per_node - 1) // gpus_per_node, gpus)[0]
    return rate_S


@compiled
def corrected_rates(
    speed: Floats,
    sqr: float,
    var: float,
    batch4: Floats,
    fixed_batch: int,
    sizes_S: Ints,
    gpus_per_node: int,
    measured_M4: Floats,
) -> Floats:
    """As `best_rates`, and where a size was measured, by observed over predicted step time at the nearest batch.

    Args:
      fixed_batch: the one batch size that is allowed; 0 where any is.
      measured_M4: nodes, GPUs, local batch and seconds of a step.
    """
    rate_S = np.zeros(sizes_S.shape[0])
    smallest, _, _, most_local = batch4
    for s in range(1, sizes_S.shape[0]):
        gpus = sizes_S[s]
        nodes = (gpus + gpus_per_node - 1) // gpus_per_node
        if fixed_batch:
            local, parts = shared_out(fixed_batch, gpus, smallest, most_local)
            scale = gpus * local * (parts + 1) / smallest
            rate = worth(sqr, var, scale) / step_s(speed, nodes, gpus, local, parts)
        else:
            rate, local, _ = best_batch(speed, sqr, var, batch4, nodes, gpus)
        off, nearest = 1.0, math.inf
        for m in range(measured_M4.shape[0]):
            if measured_M4[m, 0] == nodes and measured_M4[m, 1] == gpus and local > 0:
                far = abs(math.log(measured_M4[m, 2] / local))
                if far < nearest:
                    nearest = far
                    off = measured_M4[m, 3] / step_s(speed, nodes, gpus, measured_M4[m, 2], 0)
        rate_S[s] = rate / off
    return rate_S
