"""What the database knows now, as values that can be played forward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace
from sqlalchemy import Connection

from drivetrain.compute.controller.states import JobState
from drivetrain.compute.controller.world import World
from drivetrain.compute.learn.waiting import Calibration
from drivetrain.compute.policy.values import Pool, Snapshot
from drivetrain.compute.simulate.values import Arrival
from drivetrain.server.database import Records
from drivetrain.server.loading import load_world
from drivetrain.server.services import estimates

LATELY_S = 6 * 3600.0
MOST_LATELY = 500


@dataclass(frozen=True, slots=True)
class Present:
    """All that a play begins with.

    Attributes:
      world: jobs, nodes and what ended, as a controller knows them.
      snapshot: what a policy is told now, with jobs that may not be tried again yet.
      recent: what came lately.
      past: how true past estimates came.
      told: attempt -> what was told of it at first, of those that are not there yet.
    """

    now_s: float
    world: World
    snapshot: Snapshot
    recent: tuple[Arrival, ...]
    past: Calibration
    told: Mapping[str, estimates.Told] = field(default_factory=dict)


def read_present(connection: Connection, now_s: float) -> Present:
    """As it is in this transaction."""
    records = Records(connection)
    world = load_world(records, {pool.name for pool in records.settings("pool", Pool)})
    told, past = estimates.still_open(connection), estimates.past(connection)
    for _ in _overdue(world, told, now_s):
        past.overdue()
    lately = [world.as_waiting(job) for job in records.came_since(now_s - LATELY_S, MOST_LATELY)]
    return Present(
        now_s,
        world,
        _with_all(world, now_s),
        tuple(Arrival(job, 0.0) for job in lately),  # how long such a job runs is drawn in each play
        past,
        told,
    )


def _overdue(world: World, told: Mapping[str, estimates.Told], now_s: float) -> list[estimates.Told]:
    """What was told of those that still wait past the end of it."""
    waiting = (job for job in world.jobs.values() if job.state is JobState.WAITING)
    found = (told.get(f"{job.id}.{job.num_attempts}") for job in waiting)
    return [one for one in found if one is not None and one.told_s is not None and one.by_s < now_s]


def _with_all(world: World, now_s: float) -> Snapshot:
    snapshot = world.snapshot(now_s)
    later = [job for job in world.jobs.values() if job.state is JobState.WAITING and job.eligible_s > now_s]
    more = tuple(world.as_waiting(job) for job in later if not job.job.array)
    return replace(snapshot, waiting=(*snapshot.waiting, *more))
