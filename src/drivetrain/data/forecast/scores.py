"""How far forecasts are from what happened."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.data.arrays import Floats, Mask

MISS_M = 2.0
"""A forecast whose best mode ends farther than this from the truth has missed."""


@dataclass(frozen=True, slots=True)
class Score:
    """Means over samples; NaN over none.

    Attributes:
      min_ade_m: of the mode that is nearest on average, the mean distance over all ticks.
      min_fde_m: of the mode that ends nearest, the distance at the end.
      miss_pct: share of samples where that distance is above `MISS_M`.
      num: of samples.
    """

    min_ade_m: float
    min_fde_m: float
    miss_pct: float
    num: int


@dataclass(frozen=True, eq=False)
class Errors:
    """The same for each sample: minADE and minFDE in metres, N."""

    min_ade_m: Floats
    min_fde_m: Floats

    def over(self, chosen: Mask) -> Score:
        """Their mean over some of the samples."""
        ade, fde = self.min_ade_m[chosen], self.min_fde_m[chosen]
        if not len(ade):
            return Score(float("nan"), float("nan"), float("nan"), 0)
        return Score(float(ade.mean()), float(fde.mean()), float(100 * (fde > MISS_M).mean()), len(ade))


def errors(forecast_NKF2: Floats, future_NF2: Floats) -> Errors:
    """Errors of K forecasts of each sample; give one mode (K = 1) for those of a single forecast.

    Source: minADE as in H. Caesar et al., "nuScenes", CVPR 2020; minFDE and miss rate (2 m) as in M.-F. Chang et al.,
      "Argoverse", CVPR 2019.
    """
    distance_NKF = np.linalg.norm(forecast_NKF2 - future_NF2[:, None], axis=3)
    return Errors(distance_NKF.mean(axis=2).min(axis=1), distance_NKF[..., -1].min(axis=1))
