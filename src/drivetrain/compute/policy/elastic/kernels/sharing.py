"""GPUs shared out among jobs by what each size is worth."""

from __future__ import annotations

import math

import numpy as np

from drivetrain.compute.compiled import compiled
from drivetrain.compute.policy.elastic.kernels import IN_TURN
from drivetrain.compute.policy.elastic.kernels.step import Floats, Ints

MOVED_EVERY_S = 300.0
"""How often a growing and shrinking job is moved: a move now is paid again in every such time to the end."""


@compiled
def times_to_end(left_J: Floats, rate_JS: Floats, size_J: Ints, restart_s: float) -> Floats:
    """Seconds to the end of each job at each size, moves included; infinite where it cannot be. float64 [J, S].

    Args:
      left_J: progress to make.
      rate_JS: progress a second.
      size_J: the size that it has, as an index; another than that costs a restart.
    """
    time_JS = np.full(rate_JS.shape, math.inf)
    for j in range(rate_JS.shape[0]):
        for s in range(1, rate_JS.shape[1]):
            if rate_JS[j, s] > 0:
                time_JS[j, s] = left_J[j] / rate_JS[j, s]
                if s != size_J[j]:
                    time_JS[j, s] = time_JS[j, s] * (1.0 + restart_s / MOVED_EVERY_S) + restart_s
    return time_JS


@compiled
def share_out(value_JS: Floats, least_J: Ints, most_J: Ints, sizes_S: Ints, num_gpus: int) -> Ints:
    """Which size each job gets, as an index into `sizes_S`, so that the sum of values is large.

    Greedy: the growth of one job, to any larger size, that adds most for each GPU; until nothing fits or adds.

    Args:
      value_JS: of each size of each job.
      sizes_S: ascending, the first is 0.
    """
    num_jobs = value_JS.shape[0]
    chosen_J = least_J.copy()
    next_J = np.zeros(num_jobs, dtype=np.int64)
    gain_J = np.zeros(num_jobs)
    free = num_gpus - np.sum(sizes_S[least_J])
    grown = -1
    while True:
        best = -1
        for j in range(num_jobs):
            at = chosen_J[j]
            if grown in (-1, j) or sizes_S[next_J[j]] - sizes_S[at] > free:
                gain_J[j], next_J[j] = 0.0, at
                for s in range(at + 1, most_J[j] + 1):
                    more = sizes_S[s] - sizes_S[at]
                    if more > free:
                        break
                    gain = (value_JS[j, s] - value_JS[j, at]) / more
                    if gain > gain_J[j]:
                        gain_J[j], next_J[j] = gain, s
            if gain_J[j] > 0.0 and (best < 0 or gain_J[j] > gain_J[best]):
                best = j
        if best < 0:
            return chosen_J
        free -= sizes_S[next_J[best]] - sizes_S[chosen_J[best]]
        chosen_J[best] = next_J[best]
        grown = best


@compiled
def in_turn(
    time_JS: Floats, first_J: Floats, least_J: Ints, most_J: Ints, sizes_S: Ints, num_gpus: int, thrift: float
) -> Ints:
    """Which size each job gets when they are served in turn, each the size that is worth its price.

    A job takes the size with the least time x (1 + thrift x its GPUs over a fair share).

    Args:
      time_JS: seconds to the end at each size; infinite where it cannot be.
      first_J: who has the least is served first.
    """
    num_jobs = time_JS.shape[0]
    chosen_J = least_J.copy()
    free = num_gpus - np.sum(sizes_S[least_J])
    for j in np.argsort(first_J):
        best = math.inf
        free += sizes_S[least_J[j]]
        for s in range(max(1, least_J[j]), most_J[j] + 1):
            if sizes_S[s] > free:
                break
            price = time_JS[j, s] * (1.0 + thrift * sizes_S[s] * num_jobs / num_gpus)
            if price < best:
                best = price
                chosen_J[j] = s
        free -= sizes_S[chosen_J[j]]
    return chosen_J


@compiled
def sizes_by(
    rule: int,
    constant: float,
    patience: float,
    time_JS: Floats,
    age_J: Floats,
    least_J: Ints,
    most_J: Ints,
    sizes_S: Ints,
    num_gpus: int,
) -> Ints:
    """The size of each job by a rule, as an index into `sizes_S`; within `least_J` and `most_J`, indices too.

    Args:
      patience: what all jobs' times are raised to, less 1, before they are added up: how much more a second of a long
        job counts than one of a short.
      age_J: seconds since each came.
    """
    num_jobs, num_sizes = time_JS.shape
    weight_J, first_J = np.empty(num_jobs), np.empty(num_jobs)
    for j in range(num_jobs):
        shortest = np.min(time_JS[j])
        weight_J[j] = (age_J[j] + min(shortest, 1e9) + 1.0) ** patience
        first_J[j] = shortest / weight_J[j]
    if rule == IN_TURN:
        return in_turn(time_JS, first_J, least_J, most_J, sizes_S, num_gpus, constant)
    value_JS = np.zeros(time_JS.shape)
    for j in range(num_jobs):
        for s in range(1, num_sizes):
            if time_JS[j, s] < math.inf:
                value_JS[j, s] = weight_J[j] * (time_JS[j, s] + 1.0) ** -constant
    return share_out(value_JS, least_J, most_J, sizes_S, num_gpus)
