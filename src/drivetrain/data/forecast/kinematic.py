"""Forecasts that need no learning: what a network has to beat."""

from __future__ import annotations

import numpy as np

from drivetrain.data.arrays import Floats


def constant_velocity(history_NH5: Floats, num_future: int, *, hz: float) -> Floats:
    """Straight on at the velocity of now (N, F, 2), in the agent's frame.

    Args:
      history_NH5: as in `Window`.
      num_future: ticks to forecast.
      hz: ticks per second.
    """
    t_F1 = np.arange(1, num_future + 1)[:, None] / hz
    path: Floats = history_NH5[:, -1, None, 2:4] * t_F1
    return path


def constant_turn_rate(history_NH5: Floats, num_future: int, *, hz: float) -> Floats:
    """On along a circle at the speed of now and the mean turn rate of the history (N, F, 2): CTRV.

    An agent slower than 1 m/s at either end of its history is taken not to turn.
    Source: R. Schubert, E. Richter, G. Wanielik, "Comparison and evaluation of advanced motion models for vehicle
      tracking", FUSION 2008.
    """
    seen_NH = history_NH5[..., 4] > 0
    first_N = seen_NH.argmax(axis=1)
    then_N2, now_N2 = history_NH5[np.arange(len(history_NH5)), first_N, 2:4], history_NH5[:, -1, 2:4]
    lasted_N = (history_NH5.shape[1] - 1 - first_N) / hz
    cross = then_N2[:, 0] * now_N2[:, 1] - then_N2[:, 1] * now_N2[:, 0]
    turned_N = np.arctan2(cross, (then_N2 * now_N2).sum(axis=1))
    is_moving = np.minimum(np.linalg.norm(then_N2, axis=1), np.linalg.norm(now_N2, axis=1)) > 1
    rate_N1 = np.where(is_moving & (lasted_N > 0), turned_N / np.maximum(lasted_N, 1 / hz), 0.0)[:, None]
    half_NF = rate_N1 * np.arange(1, num_future + 1) / hz / 2
    chord_NF = np.sinc(half_NF / np.pi) * np.arange(1, num_future + 1) / hz  # (2 v / w) sin(w t / 2), per v
    vx, vy = now_N2[:, 0, None], now_N2[:, 1, None]
    cosine, sine = np.cos(half_NF), np.sin(half_NF)
    return np.stack([chord_NF * (cosine * vx - sine * vy), chord_NF * (sine * vx + cosine * vy)], axis=2)
