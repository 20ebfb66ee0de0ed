"""How long jobs wait, estimated when they come: how often the 80 % interval covers what came true.

Played are windows of the real Philly table (`benchmarks/philly_table.py`), each a site of its own that begins with
nothing known, and jobs drawn in its published shape with the users that the table does not name
(`benchmarks/philly.py`). Jobs that start at once have nothing to estimate and are left out; of the others one in so
many is counted, from the first one on. Run times, users' habits and past errors are learned in the order in which they
happen; nothing is known ahead.
"""

from __future__ import annotations

import itertools
import math
import statistics
import time

from benchmarks import philly_table
from benchmarks.philly import fleet, trace
from drivetrain.compute.learn.line_rate import rate_waits
from drivetrain.compute.learn.run_times import History
from drivetrain.compute.learn.waiting import COVERAGE, Calibration, Estimate, estimate, play_waits, played
from drivetrain.compute.policy.values import Snapshot
from drivetrain.compute.simulate.front import Front, by_request
from drivetrain.compute.simulate.values import Arrival
from drivetrain.compute.simulate.world import World

JUDGED = {"covered_pct"}
NUM_SAMPLES = 1
LIMIT_S = 900
NUM_NODES = 8
NUM_JOBS = 1500
LOAD = 0.95
WARM_UP = 300
OF_WAITING = 3
OF_REAL = 48
"""A window's jobs come in bursts that share one error: few of many windows say more than many of few."""
LEAST_PCT, MOST_PCT = 75, 85
LATELY_S = 6 * 3600.0
BUDGET_S, FEWEST_PLAYS = 6.0, 5
"""As a server does it: for so long plays are begun, and of fewer the rate of the line is told."""
MINUTE_S = 60.0


class Watch:
    """Estimates one in so many of the jobs that wait, and learns from what came true."""

    def __init__(self, arrivals: list[Arrival], history: History, of_waiting: int) -> None:
        self.history, self.calibration = history, Calibration()
        self.found: list[tuple[Estimate, Estimate, float]] = []
        self.took_s: list[float] = []
        self._arrivals, self._of_waiting = arrivals, of_waiting
        self._open: dict[str, tuple[float, list[float], int, Estimate]] = {}
        self._overdue: set[str] = set()
        self._num = self._num_seen = 0

    def look(self, world: World) -> bool:
        for name in list(self._open):
            asked_s, *_, told = self._open[name]
            if world.stories[name].starts_s:
                self._started(name, world.stories[name].starts_s[0] - asked_s)
            elif world.now_s - asked_s > told.p90_s and name not in self._overdue:
                self._overdue.add(name)
                self.calibration.overdue()
        for name, story in list(itertools.islice(world.stories.items(), self._num_seen, None)):
            self._num_seen += 1
            if story.outcome == "waiting":
                self._num += 1
                if self._num_seen > WARM_UP and self._num % self._of_waiting == 0:
                    self._ask(world, name)
        return False

    def _started(self, name: str, waited_s: float) -> None:
        _, waits, num_ahead, told = self._open.pop(name)
        self.found.append((played(waits), told, waited_s))
        before = estimate(waits, num_ahead)
        told_s, was_overdue = (told.p10_s, told.p90_s), name in self._overdue
        self.calibration.came_true(before.p10_s, before.p90_s, waited_s, told_s=told_s, was_overdue=was_overdue)

    def _ask(self, world: World, name: str) -> None:
        begun_s, now_s, whole = time.perf_counter(), world.now_s, world.whole
        job = next(one for one in whole.waiting if one.job == name)
        ahead = [one for one in whole.waiting if one is not job and one.submitted_s <= job.submitted_s]
        lately = [a for a in self._arrivals if now_s - LATELY_S <= a.job.submitted_s < now_s]
        until_s = begun_s + BUDGET_S
        waits = play_waits(whole, now_s, name, self.history, lately, is_over=lambda: time.perf_counter() > until_s)
        if len(waits) < FEWEST_PLAYS:
            waits = rate_waits(whole, now_s, ahead, job.team, self.history)
        self._open[name] = now_s, waits, len(ahead), estimate(waits, len(ahead), self.calibration)
        self.took_s.append(time.perf_counter() - begun_s)


def bench_table(known=tuple(philly_table.WINDOWS)) -> dict[str, float]:
    """Windows of the real table: all their estimates together, and how far apart the windows are."""
    watches = [_replayed(*philly_table.read(window), OF_REAL) for window in philly_table.WINDOWS[known]]
    covered = sorted(figures([watch])["covered_pct"] for watch in watches)
    return figures(watches) | {
        "num_windows": len(watches),
        "num_windows_near": sum(LEAST_PCT <= one <= MOST_PCT for one in covered),
        "mean_covered_pct": statistics.mean(covered),
        "least_covered_pct": covered[0],
        "most_covered_pct": covered[-1],
    }


def bench_waiting(seed=(1, 2)) -> dict[str, float]:
    """Jobs that were made up in its shape."""
    return figures([_replayed(trace(NUM_JOBS, NUM_NODES * 8, LOAD, seed), fleet(NUM_NODES), OF_WAITING)])


def _replayed(arrivals: list[Arrival], nodes: Snapshot, of_waiting: int) -> Watch:
    history = History()
    world = World(nodes, 0.0, knowledge=history, front=Front(by_request))
    world.arrive(arrivals)
    watch = Watch(arrivals, history, of_waiting)
    world.run(until=watch.look)
    return watch


def figures(watches: list[Watch]) -> dict[str, float]:
    """Coverage, how often the truth is under each of the three quantiles, width, score and error."""
    found = [one for watch in watches for one in watch.found]
    waits = [(told, waited_s) for _, told, waited_s in found]
    plain = [low.p10_s <= waited_s <= low.p90_s for low, _, waited_s in found]
    return {
        "num_estimates": len(waits),
        "covered_pct": _pct([told.p10_s <= waited_s <= told.p90_s for told, waited_s in waits]),
        "covered_by_plays_alone_pct": _pct(plain),
        "under_p10_pct": _pct([waited_s < told.p10_s for told, waited_s in waits]),
        "under_p50_pct": _pct([waited_s < told.p50_s for told, waited_s in waits]),
        "under_p90_pct": _pct([waited_s < told.p90_s for told, waited_s in waits]),
        "median_wait_s": statistics.median(waited_s for _, waited_s in waits),
        "median_width_s": statistics.median(told.p90_s - told.p10_s for told, _ in waits),
        "median_error_s": statistics.median(abs(told.p50_s - waited_s) for told, waited_s in waits),
        "interval_score": statistics.mean(_score(told, waited_s) for told, waited_s in waits),
        "plays_alone_interval_score": statistics.mean(_score(low, waited_s) for low, _, waited_s in found),
        "estimate_s": statistics.median(took_s for watch in watches for took_s in watch.took_s),
    }


def _score(told: Estimate, waited_s: float) -> float:
    """Of an interval: its width and ten times what the truth is outside, in natural logarithms of minutes and one.

    Source: Gneiting and Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation" (JASA 2007), section 6.2.
    """
    low, high, truth = (math.log(seconds + MINUTE_S) for seconds in (told.p10_s, told.p90_s, waited_s))
    return high - low + 2 / (1 - COVERAGE) * (max(0.0, low - truth) + max(0.0, truth - high))


def _pct(are_so: list[bool]) -> float:
    return 100 * statistics.mean(are_so)
