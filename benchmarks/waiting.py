"""How long jobs wait, estimated when they come: how often the 80 % interval covers what came true.

Played are windows of the real Philly table (`benchmarks/philly_table.py`), and jobs drawn in its published shape with
the users that the table does not name (`benchmarks/philly.py`). Jobs that start at once have nothing to estimate and
are left out, and so is what was told before some estimates had come true to correct by. Run times, users' habits and
past errors are learned in the order in which they happen; nothing is known ahead.
"""

from __future__ import annotations

import statistics
import time

from benchmarks import philly_table
from benchmarks.philly import fleet, trace
from drivetrain.compute.learn.run_times import History
from drivetrain.compute.learn.waiting import Calibration, Estimate, estimate, play_waits
from drivetrain.compute.policy.values import Snapshot
from drivetrain.compute.simulate.front import Front, by_request
from drivetrain.compute.simulate.values import Arrival
from drivetrain.compute.simulate.world import World

JUDGED = {"covered_pct"}
NUM_SAMPLES = 1
LIMIT_S = 300
NUM_NODES = 8
NUM_JOBS = 1500
LOAD = 0.95
WARM_UP = 300
OF_WAITING = 3
OF_REAL = 4
TRUE_BEFORE = 20
LATELY_S = 6 * 3600.0


class Watch:
    """Estimates one in so many of the jobs that wait, and learns from what came true."""

    def __init__(self, arrivals: list[Arrival], history: History, of_waiting: int = OF_WAITING) -> None:
        self.history, self.calibration = history, Calibration()
        self.found: list[tuple[float, Estimate, Estimate, float]] = []
        self.took_s: list[float] = []
        self._arrivals, self._of_waiting = arrivals, of_waiting
        self._open: dict[str, tuple[float, list[float], Estimate]] = {}
        self._counted: set[str] = set()
        self._overdue: set[str] = set()
        self._seen: set[str] = set()
        self._num = self._num_true = 0

    def look(self, world: World) -> bool:
        for name in list(self._open):
            asked_s, _, told = self._open[name]
            if world.stories[name].starts_s:
                self._started(name, world.stories[name].starts_s[0] - asked_s)
            elif world.now_s - asked_s > told.p90_s and name not in self._overdue:
                self._overdue.add(name)
                self.calibration.overdue()
        for name, story in world.stories.items():
            if name not in self._seen:
                self._seen.add(name)
                if story.outcome == "waiting":
                    self._num += 1
                    if len(self._seen) > WARM_UP and self._num % self._of_waiting == 0:
                        self._ask(world, name)
        return False

    def _started(self, name: str, waited_s: float) -> None:
        asked_s, plays, told = self._open.pop(name)
        plain = estimate(plays)
        if name in self._counted:
            self.found.append((asked_s, plain, told, waited_s))
        self._num_true += 1
        told_s, was_overdue = (told.p10_s, told.p90_s), name in self._overdue
        self.calibration.came_true(plain.p10_s, plain.p90_s, waited_s, told_s=told_s, was_overdue=was_overdue)

    def _ask(self, world: World, name: str) -> None:
        if self._num_true >= TRUE_BEFORE:
            self._counted.add(name)
        begun_s = time.perf_counter()
        lately = [a for a in self._arrivals if world.now_s - LATELY_S <= a.job.submitted_s < world.now_s]
        plays = play_waits(world.whole, world.now_s, name, self.history, lately)
        self._open[name] = world.now_s, plays, estimate(plays, self.calibration)
        self.took_s.append(time.perf_counter() - begun_s)


def bench_table(window=tuple(philly_table.WINDOWS)) -> dict[str, float]:
    """Windows of the real table."""
    arrivals, nodes = philly_table.read(philly_table.WINDOWS[window])
    return _replayed(arrivals, nodes, OF_REAL)


def bench_waiting(seed=(1, 2)) -> dict[str, float]:
    """Jobs that were made up in its shape."""
    return _replayed(trace(NUM_JOBS, NUM_NODES * 8, LOAD, seed), fleet(NUM_NODES), OF_WAITING)


def _replayed(arrivals: list[Arrival], nodes: Snapshot, of_waiting: int) -> dict[str, float]:
    history = History()
    world = World(nodes, 0.0, knowledge=history, front=Front(by_request))
    world.arrive(arrivals)
    watch = Watch(arrivals, history, of_waiting)
    world.run(until=watch.look)
    return figures(watch)


def figures(watch: Watch) -> dict[str, float]:
    """Coverage, how often the truth is under each of the three quantiles, width and error."""
    waits = [(told, waited_s) for _, _, told, waited_s in watch.found]
    plain = [low.p10_s <= waited_s <= low.p90_s for _, low, _, waited_s in watch.found]
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
        "estimate_s": statistics.median(watch.took_s),
    }


def _pct(are_so: list[bool]) -> float:
    return 100 * statistics.mean(are_so)
