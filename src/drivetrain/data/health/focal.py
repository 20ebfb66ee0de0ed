"""How far a camera's recorded focal length is off, told by where the edges of lidar points lie in its pictures.

A focal length that is too long moves every point outwards from the optical axis, by the more the further out it is. A
shift cannot make that good, so it shows where points agree with the picture best once they are drawn in or out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from drivetrain.data.arrays import Floats

_STEPS = 0.01 * np.arange(-12, 13)  # points drawn in or out by so much
_NUM_DRAWS = 40
_LEAST_ERROR = 0.002


def recorded_over_true(score: Callable[[float], Sequence[Floats]]) -> tuple[float, float]:
    """The recorded focal length as a multiple of the one that fits best, and by how much that changes with the frames.

    Args:
      score: given a factor for distances from the optical axis, one map of agreement by shift for each frame.
    """
    maps_SKYX = np.stack([np.stack(score(1.0 + step)) for step in _STEPS])
    rng = np.random.default_rng(0)
    num = maps_SKYX.shape[1]
    draws = [_best(maps_SKYX[:, rng.integers(0, num, num)]) for _ in range(_NUM_DRAWS)]
    return 1.0 / _best(maps_SKYX), max(float(np.std(draws)), _LEAST_ERROR)


def _best(maps_SKYX: Floats) -> float:
    """The factor with the highest agreement at whichever shift suits it, to a part of a step."""
    line_S = maps_SKYX.mean(axis=1).max(axis=(1, 2))
    line_S = np.convolve(np.pad(line_S, 1, mode="edge"), (0.25, 0.5, 0.25), mode="valid")
    at = int(line_S.argmax())
    if not 0 < at < len(line_S) - 1:
        return float(1.0 + _STEPS[at])
    left, top, right = line_S[at - 1 : at + 2]
    bend = left - 2 * top + right
    part = float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0
    return float(1.0 + _STEPS[at] + part * (_STEPS[1] - _STEPS[0]))
