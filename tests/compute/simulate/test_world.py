"""A fleet on a virtual clock: what becomes of jobs, and that nothing is lost or given twice on the way."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from drivetrain.cli.simulate import command
from drivetrain.compute.policy.plan import plan
from drivetrain.compute.policy.values import (
    MILLI,
    Budget,
    Node,
    Pool,
    Request,
    Running,
    RunTime,
    Share,
    Snapshot,
    Waiting,
)
from drivetrain.compute.simulate.fifo import fifo
from drivetrain.compute.simulate.front import Front, by_age, by_request
from drivetrain.compute.simulate.history import on_equal_nodes
from drivetrain.compute.simulate.values import Arrival
from drivetrain.compute.simulate.world import Policy, World
from drivetrain.core.errors import DrivetrainError


def nodes(num: int, gpus: int = 8) -> Snapshot:
    return Snapshot(tuple(Node(f"n{at}", "a", (MILLI,) * gpus) for at in range(num)), (Pool("a"),))


def comes(name: str, at_s: float, run_s: float, gpus: int = 8, num: int = 1, **more: object) -> Arrival:
    request = Request(num, num, gpus * MILLI)
    job = Waiting(name, "maps", "ana", request, submitted_s=at_s, eligible_s=at_s)
    return Arrival(replace(job, **more), run_s)  # type: ignore[arg-type]


def played(snapshot: Snapshot, *arrivals: Arrival, until_s: float = 1e9) -> World:
    world = World(snapshot, 0.0)
    world.arrive(arrivals)
    world.run(until_s)
    return world


def test_jobs_run_one_after_the_other_where_there_is_one_place() -> None:
    world = played(nodes(1), comes("x", 0, 100), comes("y", 10, 50), comes("z", 300, 1))
    assert [(story.wait_s, story.ends_s) for story in world.stories.values()] == [(0, [100]), (90, [150]), (0, [301])]
    assert all(node.free_milli == (MILLI,) * 8 for node in world.snapshot.nodes)


def test_a_team_that_has_spent_its_budget_begins_again_with_the_next_day() -> None:
    budgets = (Budget("maps", 100, 100, per="day"), Budget("planning", 0, per="day"))
    snapshot = replace(nodes(2), pools=(Pool("a", "on-demand", 1_000_000),), budgets=budgets)
    world = World(snapshot, 0.0)
    world.arrive([comes("x", 3600, 100), comes("y", 3600, 100, team="planning")])
    world.run(2 * 86400.0)
    assert world.stories["x"].starts_s == [86400.0]
    assert world.stories["y"].starts_s == []


def test_a_preempted_job_saves_and_goes_on_and_one_that_cannot_begins_again() -> None:
    urgent = comes("u", 50, 10, priority=200)
    for every_s, ends_s in ((100.0, 140.0), (None, 220.0)):
        world = played(nodes(1), comes("x", 0, 100, preemptible=True, save_every_s=every_s, restart_s=30.0), urgent)
        story = world.stories["x"]
        assert world.stories["u"].starts_s == [80]
        assert story.ends_s == [80, ends_s]
        assert story.lost_s == (0 if every_s else 8 * 80)


def test_a_job_over_its_time_is_stopped() -> None:
    story = played(nodes(1), comes("x", 0, 1000, max_runtime_s=200.0)).stories["x"]
    assert (story.outcome, story.ends_s) == ("stopped", [230])


def test_an_elastic_job_runs_faster_on_what_is_free_and_gives_it_back() -> None:
    job = Waiting("e", "maps", "ana", Request(1, 2, 8000), run_time=RunTime(900, 1000, 1100))
    job = replace(job, speed_by_nodes={1: 1.0, 2: 2.0})
    alone = played(nodes(2), Arrival(job, 1000))
    assert alone.stories["e"].ends_s == [500]
    shared = played(nodes(2), Arrival(job, 1000), comes("x", 100, 100))
    assert shared.stories["x"].starts_s == [100]
    assert shared.stories["e"].ends_s[0] > 500
    assert {story.outcome for story in shared.stories.values()} == {"done"}


def test_it_goes_on_from_what_runs() -> None:
    runs = Running("r", "0", "maps", "ana", Request(1, 1, 8000), (Share("n0", tuple((at, MILLI) for at in range(8))),))
    snapshot = replace(nodes(1), running=(replace(runs, started_s=-60.0),))
    snapshot = replace(snapshot, nodes=(replace(snapshot.nodes[0], free_milli=(0,) * 8),))
    world = World(snapshot, 0.0, runs_s={"r": 100.0})
    world.arrive([comes("x", 0, 10)])
    world.run()
    assert (world.stories["r"].ends_s, world.stories["x"].starts_s) == ([40], [40])


def test_what_no_node_can_give_is_refused_and_the_rest_goes_on() -> None:
    world = played(nodes(1), comes("x", 0, 10, gpus=16), comes("y", 0, 10))
    assert Counter(story.outcome for story in world.stories.values()) == {"refused": 1, "done": 1}


def test_changes_close_to_each_other_are_planned_for_together() -> None:
    plans: list[float] = []

    def look(world: World) -> bool:
        plans.append(world.now_s)
        return False

    world = World(nodes(4, 8), 0.0, every_s=60.0)
    world.arrive(comes(f"x{at}", at, 100, gpus=1) for at in range(30))
    world.run(until=look)
    assert plans == [0, 60]
    assert {story.outcome for story in world.stories.values()} == {"done"}


@pytest.mark.parametrize(("policy", "kind"), [(plan, by_request), (fifo, by_age)])
def test_a_policy_that_is_told_of_the_front_alone_starts_the_same_jobs_at_the_same_times(
    policy: Policy, kind: Callable[[Waiting], object]
) -> None:
    def starts(front: Front | None) -> dict[str, list[float]]:
        world = World(nodes(2), 0.0, policy=policy, front=front)
        world.arrive(comes(f"x{at}", at // 9, 20 + at % 3, gpus=(1, 2, 4, 8, 16)[at % 5]) for at in range(400))
        world.run()
        return {name: story.starts_s for name, story in world.stories.items()}

    assert starts(Front(kind)) == starts(None)


def test_a_limit_to_how_long_a_job_may_run_is_not_how_long_it_runs() -> None:
    world = played(nodes(1), comes("x", 0, 1, max_runtime_s=21_600.0), until_s=math.inf)
    assert world.now_s == 1


def test_jobs_of_cores_are_played_on_as_many_nodes_as_one_likes() -> None:
    cores = Arrival(Waiting("c", "t", "u", Request(gpu_milli=2000, gpu="cpu", pool="local")), 1.0)
    gpus = Arrival(Waiting("g", "t", "u", Request(gpu_milli=1000, gpu="H100", cpus=4)), 1.0)
    assert [a.job.request for a in on_equal_nodes([cores])] == [Request(gpu_milli=2000)]
    assert [a.job.request for a in on_equal_nodes([cores, gpus])] == [Request(), Request(gpu_milli=1000)]


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("none.csv", ["--nodes", "2"], "there is no such file"),
        ("", [], "is a folder"),
        ("garbage.jsonl", [], "garbage.jsonl"),
        ("garbage.jsonl", ["--replay", "--policy", "fifo"], "--policy does not go with --replay"),
    ],
)
def test_a_file_that_is_none_is_named_before_anything_else(
    tmp_path: Path, name: str, more: list[str], message: str
) -> None:
    (tmp_path / "garbage.jsonl").write_bytes(bytes(range(256)))
    with pytest.raises(DrivetrainError, match=message):
        CliRunner().invoke(command, [str(tmp_path / name), *more], standalone_mode=False, catch_exceptions=False)


def test_first_come_first_served_lets_nobody_pass() -> None:
    arrivals = (
        comes("x", 0, 100, gpus=4, run_time=RunTime(100, 100, 100)),
        comes("y", 1, 10),
        comes("z", 2, 10, gpus=4, run_time=RunTime(10, 10, 10)),
    )
    starts = {}
    for policy in (plan, fifo):
        world = World(nodes(1), 0.0, policy=policy)
        world.arrive(arrivals)
        world.run()
        starts[policy] = world.stories["z"].starts_s
    assert starts == {plan: [2], fifo: [110]}
