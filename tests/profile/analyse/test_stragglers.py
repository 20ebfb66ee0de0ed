from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from tests.profile.analyse.events import Raw, kernel, launch, step

from drivetrain.profile import trace_of
from drivetrain.profile.analyse import RankSteps, collectives, rank_steps, skew, stragglers
from drivetrain.profile.analyse.stragglers import FALSE_ALARMS, slower


def events_of(compute: list[float], *, pause: float = 0) -> list[Raw]:
    """Steps of 1000 us: a kernel, a pause of the host, a small kernel, a collective that ends with the others'."""
    events: list[Raw] = []
    for n, dur in enumerate(compute):
        at = 1000 * n
        events += [
            *(step(n, at, 1000), launch(at + 1, 1, 3 * n), launch(at + 12 + dur + pause, 1, 3 * n + 1)),
            *(kernel("gemm", at + 10, dur, 3 * n), kernel("relu", at + 20 + dur + pause, 5, 3 * n + 1)),
            launch(at + 13 + dur + pause, 1, 3 * n + 2),
            kernel("ncclDevKernel_AllReduce", at + 30 + dur + pause, 960 - 30 - dur - pause, 3 * n + 2),
        ]
    return events


def rank(label: str, compute: list[float], **more: float) -> RankSteps:
    return rank_steps(trace_of(events_of(compute, **more)), label)


def noisy(seed: int, num: int = 8) -> list[float]:
    return [float(each) for each in 300 + np.random.default_rng(seed).integers(-20, 20, num)]


def test_a_rank_that_computes_longer_in_all_steps_is_named_with_what_it_adds() -> None:
    ranks = [rank("a", noisy(1)), rank("b", [each + 100 for each in noisy(2)]), rank("c", noisy(3))]
    (found,) = stragglers(ranks)
    assert (found.label, found.part) == ("b", "compute")
    assert found.excess_ns == pytest.approx(100_000, rel=0.2)
    assert found.chance < FALSE_ALARMS


def test_a_rank_whose_device_waits_for_its_host_is_slow_on_the_host() -> None:
    found = stragglers([rank("a", noisy(1)), rank("b", noisy(2)), rank("c", noisy(3), pause=150)])
    assert [(each.label, each.part) for each in found] == [("c", "host")]


def test_who_waits_in_collectives_for_a_slow_rank_is_not_slow_in_communication() -> None:
    events = [events_of(noisy(1)), events_of([each + 100 for each in noisy(2)]), events_of(noisy(3))]
    traces = [trace_of(each, distributedInfo={"world_size": 3}) for each in events]
    ranks = [rank_steps(trace, name) for trace, name in zip(traces, "abc", strict=True)]
    waiting = skew([collectives(trace, name) for trace, name in zip(traces, "abc", strict=True)])
    assert waiting.last == "b"
    assert [(each.label, each.part) for each in stragglers(ranks, waiting)] == [("b", "compute")]


def test_ranks_that_differ_by_chance_are_not_slow_and_one_step_proves_nothing() -> None:
    assert stragglers([rank(str(seed), noisy(seed)) for seed in range(6)]) == ()
    assert stragglers([rank("a", [300]), rank("b", [500])]) == ()
    assert stragglers([rank("a", noisy(1))]) == ()
    assert stragglers([]) == ()


def test_a_sure_but_small_difference_is_not_worth_a_name() -> None:
    assert stragglers([rank("a", [300.0] * 9), rank("b", [310.0] * 9), rank("c", [300.0] * 9)]) == ()


@pytest.mark.parametrize("shape", [(6, 8), (12, 2), (60, 4)])
def test_somebody_is_called_slow_by_chance_as_rarely_as_stated(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(5)
    num_false = sum(1 for _ in range(400) if any(True for _ in slower(rng.integers(0, 10_000, shape))))
    assert num_false / 400 <= FALSE_ALARMS + 0.025  # three standard errors


def test_the_stragglers_of_a_real_job_are_found_in_any_few_of_its_steps(shared_data: Path) -> None:
    times: dict[str, dict[str, int]] = defaultdict(dict)
    with (shared_data / "stragglers" / "job_3_norm.csv").open() as file:
        for row in csv.DictReader(file):
            times[row["time"]][row["worker"]] = int(row["batch_time_norm"])
    workers = sorted({worker for each in times.values() for worker in each}, key=int)
    table = np.array([[each[worker] for worker in workers] for each in times.values() if len(each) == len(workers)])
    for first in range(0, 120, 20):
        assert [workers[column] for column, _, _ in slower(table[first : first + 10])] == workers[:2]
