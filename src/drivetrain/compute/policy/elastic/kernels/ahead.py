"""A rule played ahead: what it would cost all jobs together, in a fluid model of the cluster."""

from __future__ import annotations

import math

import numpy as np

from drivetrain.compute.compiled import compiled
from drivetrain.compute.policy.elastic.kernels.sharing import sizes_by, times_to_end
from drivetrain.compute.policy.elastic.kernels.step import Floats, Ints


@compiled
def play_ahead(
    rule: int,
    constant: float,
    patience: float,
    left_N: Floats,
    rate_NS: Floats,
    arrives_N: Floats,
    age_N: Floats,
    size_N: Ints,
    waits_N: Floats,
    first_N: Ints,
    sizes_S: Ints,
    num_gpus: int,
    restart_s: float,
    every_s: float,
    enough: float,
) -> float:
    """The sum of all jobs' times from their arrival to their end, each to the power of 1 + `patience`.

    GPUs are given anew by the rule when a job has come or gone, at multiples of `every_s`.

    Args:
      left_N, rate_NS: as in `times_to_end`.
      arrives_N: seconds from now; ascending.
      age_N: seconds since each came; 0 of those that come.
      size_N, waits_N: the size that each has, as an index, and seconds before it makes progress on it.
      first_N: what those that are there get at first, as indices.
      enough: stops, and gives infinity, when it costs more.
    """
    num, num_sizes = rate_NS.shape
    left_N, size_N, waits_N = left_N.copy(), size_N.copy(), waits_N.copy()
    active = np.empty(num, dtype=np.int64)
    none_J, all_J = np.zeros(num, dtype=np.int64), np.full(num, num_sizes - 1)
    now_s = cost = 0.0
    num_active, come = _arrived(active, 0, 0, arrives_N, now_s)
    at_first = True
    while True:
        these = active[:num_active]
        if at_first:
            chosen_J = first_N[these]
        else:
            time_JS = times_to_end(left_N[these], rate_NS[these], size_N[these], restart_s)
            ages_J = age_N[these] + now_s - arrives_N[these]
            chosen_J = sizes_by(
                rule, constant, patience, time_JS, ages_J, none_J[:num_active], all_J[:num_active], sizes_S, num_gpus
            )
        at_first = False
        next_s = arrives_N[come] - now_s if come < num else math.inf
        next_s = min(next_s, _resized(these, chosen_J, left_N, rate_NS, size_N, waits_N, restart_s))
        if next_s == math.inf:
            return cost if num_active == 0 else math.inf
        ahead_s = max(1.0, math.ceil(next_s / every_s)) * every_s
        staying = 0
        for k in range(num_active):
            j = these[k]
            if size_N[j]:
                waited = min(waits_N[j], ahead_s)
                needs_s = left_N[j] / rate_NS[j, size_N[j]]
                if waited + needs_s <= ahead_s:
                    cost += (age_N[j] + now_s + waited + needs_s - arrives_N[j]) ** (1.0 + patience)
                    continue
                waits_N[j] -= waited
                left_N[j] -= (ahead_s - waited) * rate_NS[j, size_N[j]]
            active[staying] = j
            staying += 1
        now_s += ahead_s
        num_active, come = _arrived(active, staying, come, arrives_N, now_s)
        if cost > enough:
            return math.inf


@compiled
def _arrived(active: Ints, num_active: int, come: int, arrives_N: Floats, now_s: float) -> tuple[int, int]:
    """Have those who are there by now be active; how many are, and how many have come."""
    while come < len(arrives_N) and arrives_N[come] <= now_s:
        active[num_active] = come
        num_active += 1
        come += 1
    return num_active, come


@compiled
def _resized(
    these_J: Ints, chosen_J: Ints, left_N: Floats, rate_NS: Floats, size_N: Ints, waits_N: Floats, restart_s: float
) -> float:
    """Give jobs their sizes; seconds until the first of them ends, infinite where none makes progress."""
    first_s = math.inf
    for k in range(len(these_J)):
        j = these_J[k]
        if chosen_J[k] != size_N[j]:
            size_N[j], waits_N[j] = chosen_J[k], restart_s
        if size_N[j]:
            first_s = min(first_s, waits_N[j] + left_N[j] / rate_NS[j, size_N[j]])
    return first_s
