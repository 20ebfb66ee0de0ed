"""An elastic job of a live controller gets and gives nodes by the speed that was seen with each number of them."""

from __future__ import annotations

from drivetrain.compute.controller.changes import Settings
from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.states import AttemptState, JobRecord
from drivetrain.compute.controller.world import World
from drivetrain.compute.job import Job
from drivetrain.compute.policy.plan import plan
from drivetrain.compute.policy.values import Decision, Pool, Resize

NODES = [NodeRecord(name=f"n{number}", pool="p", gpu="H100", num_gpus=8, cpus=8) for number in (1, 2)]


def record(name: str, *, nodes: str | int = 1, at_s: float = 0.0) -> JobRecord:
    job = Job(command=("true",), nodes=nodes, gpus=8, cpus=1)
    return JobRecord(id=name, job=job, user="ana", team="maps", run="run", submitted_s=at_s)


def planned(world: World, now_s: float) -> list[Decision]:
    decisions = plan(world.snapshot(now_s), now_s)
    world.decided(decisions, now_s)
    return decisions


def trains(world: World, job: str, begin_s: float, end_s: float, steps_per_s: float) -> None:
    """Steps, as its agents say each ten seconds."""
    attempt = world.attempts[job]
    world.alive(attempt.id, begin_s)
    step = attempt.step or 0
    for at_s in range(int(begin_s), int(end_s) + 1, 10):
        world.progressed(attempt.id, step + int((at_s - begin_s) * steps_per_s), None, float(at_s))


def ends(world: World, job: str, now_s: float) -> None:
    attempt = world.attempts[job]
    for member in range(len(attempt.shares)):
        world.exited(attempt.id, member, 0 if attempt.state is not AttemptState.LEAVING else 75, now_s)


def test_it_grows_into_what_nobody_needs_and_shrinks_by_what_was_measured() -> None:
    world = World((), (), NODES, Settings(pools=(Pool("p"),)))
    world.add(record("fixed"))
    planned(world, 0.0)
    world.add(record("elastic", nodes="1:2", at_s=1.0))
    planned(world, 1.0)
    assert len(world.attempts["elastic"].shares) == 1

    trains(world, "elastic", 10, 600, steps_per_s=2.0)
    trains(world, "fixed", 10, 600, steps_per_s=1.0)
    ends(world, "fixed", 600.0)
    [grown] = [decision for decision in planned(world, 601.0) if isinstance(decision, Resize)]
    assert len(grown.shares) == 2

    ends(world, "elastic", 605.0)
    assert world.jobs["elastic"].speeds == {1: 2.0}
    assert len(world.attempts["elastic"].shares) == 2
    trains(world, "elastic", 610, 900, steps_per_s=3.0)
    assert world.snapshot(900.0).running[0].speed_by_nodes == {1: 2.0, 2: 3.0}

    world.add(record("next", at_s=900.0))
    [shrunk] = [decision for decision in planned(world, 901.0) if isinstance(decision, Resize)]
    assert len(shrunk.shares) == 1
    assert "0.67 times as fast, as measured" in shrunk.reason


def test_a_few_steps_tell_no_speed_and_a_job_of_fixed_size_none_at_all() -> None:
    world = World((), (), NODES, Settings(pools=(Pool("p"),)))
    world.add(record("elastic", nodes="1:2"))
    planned(world, 0.0)
    trains(world, "elastic", 10, 20, steps_per_s=2.0)
    assert world.snapshot(20.0).running[0].speed_by_nodes == {}
    world.add(record("fixed"))
    ends(world, "elastic", 30.0)
    planned(world, 30.0)
    trains(world, "fixed", 40, 100, steps_per_s=2.0)
    assert world.snapshot(100.0).running[0].speed_by_nodes == {}
