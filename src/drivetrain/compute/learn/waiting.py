"""How long a job will wait: the same plan is played forward, often, with run times as they may turn out.

What is not in the play - other habits, other days - shows in how far past estimates were off; the interval is widened
or narrowed by that, so that it holds as often as it says (conformal quantile regression, Romano et al., NeurIPS 2019).
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from drivetrain.compute.learn.run_times import History
from drivetrain.compute.policy.values import Snapshot, Waiting
from drivetrain.compute.simulate.values import Arrival
from drivetrain.compute.simulate.world import World

NUM_PLAYS = 10
HORIZON_S = 14 * 86400.0
EVERY_S = 5.0
COARSER, IDLE_PART = 0.15, 0.1
"""A play plans less often the further it goes, but before a tenth of the fleet has become free."""
FEWEST_PAST = 20
MOST_PAST = 100
COVERAGE = 0.8


@dataclass(frozen=True, slots=True)
class Estimate:
    """From now until a job starts: the middle, and an interval that holds eight times of ten; seconds."""

    p10_s: float
    p50_s: float
    p90_s: float


def play_waits(
    snapshot: Snapshot,
    now_s: float,
    job: str,
    history: History,
    recent: Sequence[Arrival] = (),
    *,
    seed: int = 0,
    num: int = NUM_PLAYS,
    behind: Sequence[Waiting] = (),
    is_over: Callable[[], bool] = lambda: False,
) -> list[float]:
    """From now until the job starts, in each of so many plays; ascending.

    Args:
      history: what is known of run times.
      recent: what came lately; the like of it comes again in each play.
      behind: who waits too, in this order, behind those of the snapshot.
      is_over: asked after each plan; once it says so, there are only the plays that came to their end before.
    """

    def has_started(world: World) -> bool:
        return job in world.stories and bool(world.stories[job].starts_s)

    waits = []
    whole = replace(snapshot, waiting=(*snapshot.waiting, *behind))
    for number in range(num):
        rng = random.Random(f"{seed} {job} {number}")  # noqa: S311 - a draw, no secret
        world = World(
            snapshot,
            now_s,
            runs_s=drawn_runs(whole, now_s, history, rng),
            every_s=EVERY_S,
            coarser=COARSER,
            idle_part=IDLE_PART,
            behind=behind,
            most_waiting=len(snapshot.waiting),
        )
        world.arrive(come_again(recent, now_s, history, rng))
        world.run(now_s + HORIZON_S, until=lambda world: has_started(world) or is_over())
        if not has_started(world) and world.now_s < now_s + HORIZON_S:
            break
        waits.append(world.now_s - now_s)
    return sorted(waits)


def estimate(plays_s: Sequence[float], calibration: Calibration | None = None) -> Estimate:
    """The interval of what was played, by how far such intervals were off before."""
    low, middle, high = (_quantile(plays_s, q) for q in ((1 - COVERAGE) / 2, 0.5, (1 + COVERAGE) / 2))
    if calibration is not None:
        low, high = calibration.corrected(low, high)
    return Estimate(low, min(max(middle, low), high), high)


class Calibration:
    """How far the last intervals were from what came true, on a scale of proportions."""

    def __init__(self) -> None:
        self._off: deque[float] = deque(maxlen=MOST_PAST)

    @property
    def is_warm(self) -> bool:
        """Whether it knows enough to correct anything."""
        return len(self._off) >= FEWEST_PAST

    def came_true(self, low_s: float, high_s: float, wait_s: float) -> None:
        """A job started after `wait_s`, of which the plays alone said this."""
        self._off.append(max(_log(low_s) - _log(wait_s), _log(wait_s) - _log(high_s)))

    def corrected(self, low_s: float, high_s: float) -> tuple[float, float]:
        """The interval that holds as often as it should; as it is while little is known."""
        if not self.is_warm:
            return low_s, high_s
        rank = min(1.0, COVERAGE * (1 + 1 / len(self._off)))
        by = _quantile(sorted(self._off), rank)
        low, high = _log(low_s) - by, _log(high_s) + by
        if low > high:
            low = high = (low + high) / 2
        return max(0.0, math.expm1(low)), max(0.0, math.expm1(high))


def drawn_runs(snapshot: Snapshot, now_s: float, history: History, rng: random.Random) -> dict[str, float]:
    """How long each job might run in all, given how long it has."""
    waiting = {job.job: history.draw_s(job, 0.0, rng) for job in snapshot.waiting}
    running = {job.job: history.draw_s(job, max(0.0, now_s - job.started_s), rng) for job in snapshot.running}
    return waiting | running


def come_again(recent: Sequence[Arrival], now_s: float, history: History, rng: random.Random) -> list[Arrival]:
    """What came lately comes again, from some point of it on, with run times of its kind."""
    if not recent:
        return []
    first_s = min(arrival.job.submitted_s for arrival in recent)
    span_s = max(now_s - first_s, 1.0)
    shift_s = rng.uniform(0, span_s)
    found = []
    for number, arrival in enumerate(recent):
        at_s = now_s + (arrival.job.submitted_s - first_s + shift_s) % span_s
        job = replace(arrival.job, job=f"again-{number}-{arrival.job.job}", submitted_s=at_s, eligible_s=at_s)
        found.append(Arrival(job, history.draw_s(job, 0.0, rng)))
    return found


def _log(seconds: float) -> float:
    return math.log1p(max(0.0, seconds))


def _quantile(ascending: Sequence[float], quantile: float) -> float:
    """Of a sample, ascending; linear between the two next to it."""
    place = quantile * (len(ascending) - 1)
    low = int(place)
    high = min(low + 1, len(ascending) - 1)
    return ascending[low] + (place - low) * (ascending[high] - ascending[low])
