"""How long a job will wait: the same plan is played forward, often, with run times as they may turn out.

What is not in the play - a burst that fails within minutes, or one that never ends - shows in how far past estimates
were off. The interval begins as wide as it had to be elsewhere (`widened`), and the more has come true here, the more
each end goes by that instead (conformal quantile regression, Romano et al., NeurIPS 2019). Each end moves outwards
besides whenever what was told did not hold, and a ninth as far inwards whenever it did: over time it holds as often as
it says, whatever comes (adaptive conformal inference, Gibbs and Candes, NeurIPS 2021; applied to the end itself, and
not to a quantile's level, as in conformal PID control, Angelopoulos et al., NeurIPS 2023).
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from drivetrain.compute.learn.draws import Draws
from drivetrain.compute.learn.run_times import History
from drivetrain.compute.policy.values import Snapshot, Waiting
from drivetrain.compute.simulate.front import Front, by_request
from drivetrain.compute.simulate.values import Arrival
from drivetrain.compute.simulate.world import World

NUM_PLAYS = 10
HORIZON_S = 14 * 86400.0
EVERY_S = 1.0
COARSER, IDLE_PART = 0.15, 0.1
"""A play plans less often the further it goes, but before a tenth of the fleet has become free."""
GRAIN_S = 3.0
"""What it takes to see that a job has ended and to start another, which is not played."""
FRONT = 10
"""Of a line longer than this a play's policy is told of the first few of each kind."""
SOONER, SHORT_S = 0.26, 300.0
LATER, FEW_AHEAD = 1.4, 50
"""How far an end begins beyond the plays (`widened`)."""
DOUBT = 100
"""Of how many past errors what is known here counts for half."""
MOST_PAST = 100
"""Of so many past errors the last count."""
COVERAGE = 0.8
ONE_END = (1 + COVERAGE) / 2
STEP = 0.05
"""By nine tenths of it an end moves outwards on the scale of proportions when it has not held."""


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
        draws = Draws(history, rng, snapshot.running, now_s)
        world = World(
            snapshot,
            now_s,
            runs_s=drawn_runs(whole, now_s, draws),
            every_s=EVERY_S,
            coarser=COARSER,
            idle_part=IDLE_PART,
            behind=behind,
            most_waiting=len(snapshot.waiting),
            front=Front(by_request, many=FRONT),
        )
        world.arrive(come_again(recent, now_s, draws, rng))
        world.run(now_s + HORIZON_S, until=lambda world: has_started(world) or is_over())
        if not has_started(world) and world.now_s < now_s + HORIZON_S:
            break
        waits.append(world.now_s - now_s)
    return sorted(waits)


def estimate(plays_s: Sequence[float], num_ahead: int, calibration: Calibration | None = None) -> Estimate:
    """The interval of what was played for a job behind so many, by how far such intervals were off before."""
    plays = widened(played(plays_s), num_ahead)
    low, middle, high = plays.p10_s, plays.p50_s, plays.p90_s
    if calibration is not None:
        low, high = calibration.corrected(low, high)
    return Estimate(low, min(max(middle, low), high), high)


def played(plays_s: Sequence[float]) -> Estimate:
    """What the plays say, and nothing else."""
    low, middle, high = (_quantile(plays_s, q) for q in (1 - ONE_END, 0.5, ONE_END))
    return Estimate(max(0.0, low - GRAIN_S), middle, high + GRAIN_S)


def widened(plays: Estimate, num_ahead: int) -> Estimate:
    """The interval that held eight times of ten where estimates were held against what came true.

    Plays share what they do not know, and are off together by more than they differ. A short wait is over about when
    it was played; the longer it was to be, the sooner at the earliest it may be over, for what runs or waits ahead may
    fail at once: the lower end is lower by a power of the middle, counted in five minutes. What lasts longer than was
    drawn, or never ends, holds up who is first in line; of many ahead errors even out, as of a mean: by the square
    root of their number.

    Source: fitted to 24 windows of the Philly table, 818 estimates, all windows alike, each end such that a tenth is
    outside of it (`benchmarks/notes/waiting.md`); those left out in turn were covered by 79.9 %.
    """
    low = _log(plays.p10_s) - SOONER * math.log1p(plays.p50_s / SHORT_S)
    high = _log(plays.p90_s) + LATER / math.sqrt(1 + num_ahead / FEW_AHEAD)
    return Estimate(_seconds(low, HORIZON_S), plays.p50_s, _seconds(high, max(plays.p90_s, HORIZON_S)))


class Calibration:
    """How far both ends of the last intervals were from what came true, in proportion, and how often each held.

    It corrects intervals as they are before it, `widened`, and is told of those.
    """

    def __init__(self) -> None:
        self._low, self._high = _End(), _End()

    def came_true(
        self,
        low_s: float,
        high_s: float,
        wait_s: float,
        *,
        told_s: tuple[float, float] | None = None,
        was_overdue: bool = False,
    ) -> None:
        """A job started after `wait_s`, of which this was said before it was corrected.

        Args:
          told_s: the interval as it was told; None where that is not known.
          was_overdue: whether it was said before, by `overdue`, that it waits longer than was told.
        """
        self._low.off_by(_log(low_s) - _log(wait_s))
        self._high.off_by(_log(wait_s) - _log(high_s))
        if told_s is not None:
            self._low.has_held(told_s[0] <= wait_s)
            if not was_overdue:
                self._high.has_held(wait_s <= told_s[1])

    def overdue(self) -> None:
        """A job still waits, past the end that it was told: that counts before it is known how long it will have."""
        self._high.has_held(False)

    def corrected(self, low_s: float, high_s: float) -> tuple[float, float]:
        """The interval that holds as often as it should; its end comes after the horizon only where it did."""
        low, high = _log(low_s) - self._low.by(), _log(high_s) + self._high.by()
        if low > high:
            low = high = (low + high) / 2
        most_s = max(high_s, HORIZON_S)
        return _seconds(low, most_s), _seconds(high, most_s)


class _End:
    """One end of the intervals, on a scale of proportions: past errors, and how far beyond them it has to be."""

    def __init__(self) -> None:
        self._off: deque[float] = deque(maxlen=MOST_PAST)
        self._num, self._beyond = 0, 0.0

    def off_by(self, off: float) -> None:
        """By how much the truth was outside."""
        self._off.append(off)
        self._num += 1

    def has_held(self, held: bool) -> None:
        """Whether what was told had room for the truth."""
        self._beyond += STEP * (ONE_END - held)

    def by(self) -> float:
        """How far to move this end outwards."""
        past = _quantile(sorted(self._off), ONE_END) if self._off else 0.0
        return past * self._num / (self._num + DOUBT) + self._beyond


def drawn_runs(snapshot: Snapshot, now_s: float, draws: Draws) -> dict[str, float]:
    """How long each job might run in all, given how long it has."""
    waiting = {job.job: draws.run_s(job) for job in snapshot.waiting}
    running = {job.job: draws.run_s(job, max(0.0, now_s - job.started_s)) for job in snapshot.running}
    return waiting | running


def come_again(recent: Sequence[Arrival], now_s: float, draws: Draws, rng: random.Random) -> list[Arrival]:
    """What came lately comes again, from some point of it on, with run times of its kind."""
    if not recent:
        return []
    first_s = min(arrival.job.submitted_s for arrival in recent)
    span_s = max(now_s - first_s, 1.0)
    shift_s = rng.uniform(0, span_s)
    found = []
    for number, arrival in enumerate(recent):
        at_s = now_s + (arrival.job.submitted_s - first_s + shift_s) % span_s
        job = replace(
            arrival.job,
            job=f"again-{number}-{arrival.job.job}",
            submitted_s=at_s,
            eligible_s=at_s,
            was_accepted=False,  # another one, which is refused where it was; else it would wait for ever
        )
        found.append(Arrival(job, draws.run_s(job)))
    return found


def _log(seconds: float) -> float:
    return math.log1p(max(0.0, seconds))


def _seconds(log: float, most_s: float) -> float:
    """The inverse of `_log`, up to a bound."""
    return most_s if log >= _log(most_s) else max(0.0, math.expm1(log))


def _quantile(ascending: Sequence[float], quantile: float) -> float:
    """Of a sample, ascending; linear between the two next to it."""
    place = quantile * (len(ascending) - 1)
    low = int(place)
    high = min(low + 1, len(ascending) - 1)
    return ascending[low] + (place - low) * (ascending[high] - ascending[low])
