"""Lidar returns that never came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.data.augment.view import View


@dataclass(frozen=True)
class PointDropout:
    """A share of the points, drawn from none to the most, is lost with its classes; which ones is left to chance.

    Attributes:
      max_share: 0 to 1.
    """

    max_share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.max_share <= 1:
            raise ValueError(f"max_share is {self.max_share}; it must be from 0 to 1")

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Only points and their classes change; those that stay keep their order."""
        share = rng.uniform(0, self.max_share)
        num_points = 0 if view.points_N3 is None else len(view.points_N3)
        return view.with_points(rng.random(num_points) >= share)
