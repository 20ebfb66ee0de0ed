"""A speed fitted to what was measured."""

from __future__ import annotations

import math

import numpy as np

from drivetrain.compute.compiled import compiled
from drivetrain.compute.policy.elastic.kernels import NUM_PARAMETERS, TINY
from drivetrain.compute.policy.elastic.kernels.step import Floats, exchange_s

MOST_OVERLAP = 10.0
_MOST_TURNS, _MOST_HALVINGS = 200, 30
_ENOUGH = 1e-7  # of the misfit, which is a relative error: the last digits change no decision
_LONGEST = 3.0  # of a turn, in logarithms


@compiled
def misfit(speed: Floats, rows: Floats) -> tuple[float, Floats]:
    """How far a speed is from what was measured, and the gradient of that.

    The sum of both times' errors (root mean square of logarithms), and of what keeps overlap and growth small where
    little is known. Source: Pollux's `_obj_fn`.

    Args:
      rows: nodes, GPUs, local batch, compute_s, step_s; float64 [M, 5].
    """
    num = rows.shape[0]
    overlap = speed[6]
    slope1, slope2 = np.zeros(NUM_PARAMETERS), np.zeros(NUM_PARAMETERS)
    sum1 = sum2 = 0.0
    for k in range(num):
        nodes, gpus, local = rows[k, 0], rows[k, 1], rows[k, 2]
        compute = speed[0] + speed[1] * local
        other = exchange_s(speed, nodes, gpus)
        off1 = math.log(compute) - math.log(rows[k, 3])
        c, o = compute**overlap, other**overlap
        off2 = math.log(c + o) / overlap - math.log(rows[k, 4])
        sum1 += off1 * off1
        sum2 += off2 * off2
        by_compute = off2 * c / compute / (c + o)
        slope1[0] += off1 / compute
        slope1[1] += off1 * local / compute
        slope2[0] += by_compute
        slope2[1] += by_compute * local
        at = 2 if nodes > 1 else 4
        if gpus > 1:
            by_other = off2 * o / other / (c + o)
            slope2[at] += by_other
            slope2[at + 1] += by_other * max(gpus - 2.0, TINY)
        slope2[6] += off2 * (
            (c * math.log(compute) + o * math.log(other)) / (c + o) / overlap - math.log(c + o) / overlap**2
        )
    error1, error2 = math.sqrt(sum1 / num), math.sqrt(sum2 / num)
    slope = np.zeros(NUM_PARAMETERS)
    if error1 > 0:
        slope += slope1 / num / error1
    if error2 > 0:
        slope += slope2 / num / error2
    across, within = speed[3] / speed[2], speed[5] / speed[4]
    slope[6] += 2e-3 * (overlap - 1)
    slope[2] -= 2e-2 * across * across / speed[2]
    slope[3] += 2e-2 * across / speed[2]
    slope[4] -= 2e-2 * within * within / speed[4]
    slope[5] += 2e-2 * within / speed[4]
    return error1 + error2 + 1e-3 * (overlap - 1) ** 2 + 1e-2 * (across**2 + within**2), slope


@compiled
def _at(point: Floats, rows: Floats) -> tuple[float, Floats, Floats]:
    """The speed of a point (logarithms, but for the overlap), its misfit, and the gradient by the point."""
    speed = np.exp(point)
    speed[6] = point[6]
    value, slope = misfit(speed, rows)
    slope[:6] *= speed[:6]
    return value, slope, speed


@compiled
def least_misfit(start: Floats, free: Floats, rows: Floats) -> Floats:
    """The speed with the least misfit that is reached from `start`; parameters whose `free` is 0 stay.

    Quasi-Newton steps (BFGS) in the logarithms of the times, cut off at the bounds.
    """
    lower, upper = np.full(NUM_PARAMETERS, math.log(TINY)), np.full(NUM_PARAMETERS, math.log(1e6))
    lower[6], upper[6] = 1.0, MOST_OVERLAP
    point = np.log(start)
    point[6] = start[6]
    value, slope, speed = _at(point, rows)
    inverse = np.eye(NUM_PARAMETERS)
    fresh = True
    for _ in range(_MOST_TURNS):
        moves = free.copy()
        for k in range(NUM_PARAMETERS):
            if (point[k] <= lower[k] and slope[k] > 0) or (point[k] >= upper[k] and slope[k] < 0):
                moves[k] = 0.0
        downhill = slope * moves
        toward = -(inverse @ downhill) * moves
        if np.dot(toward, slope) >= 0:
            inverse, fresh = np.eye(NUM_PARAMETERS), True
            toward = -downhill
        longest = np.max(np.abs(toward))
        if longest < TINY:
            break
        length = min(1.0, _LONGEST / longest)
        if fresh:
            length = min(length, 1.0 / longest)
        found = False
        for _ in range(_MOST_HALVINGS):
            other = np.minimum(np.maximum(point + length * toward, lower), upper)
            value2, slope2, speed2 = _at(other, rows)
            if value2 <= value + 1e-4 * np.dot(slope, other - point):
                found = True
                break
            length *= 0.5
        if not found:
            if fresh:
                break
            inverse, fresh = np.eye(NUM_PARAMETERS), True
            continue
        moved, bent = other - point, (slope2 - slope) * free
        curve = np.dot(moved, bent)
        if curve > 1e-12:
            across = inverse @ bent
            inverse += (1.0 + np.dot(bent, across) / curve) * np.outer(moved, moved) / curve
            inverse -= (np.outer(across, moved) + np.outer(moved, across)) / curve
        gained = value - value2
        point, value, slope, speed = other, value2, slope2, speed2
        if gained < _ENOUGH and not fresh:
            break
        fresh = False
    return speed
