"""Decisions held against those that were made: history played again through the controller's world, on a virtual clock.

What became of jobs, attempts and nodes is taken from history; at each moment at which the live controller decided
something the policy is asked again, with what was known then. If it says the same each time, it would have made the
same history.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import msgspec

from drivetrain.compute.controller.changes import Settings
from drivetrain.compute.controller.decided import doing, plan_of
from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.states import AttemptRecord, AttemptState, JobRecord, JobState
from drivetrain.compute.controller.world import World
from drivetrain.compute.policy.plan import plan
from drivetrain.compute.policy.values import Decision, Failure
from drivetrain.compute.simulate.history import Event
from drivetrain.compute.simulate.world import Policy


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the policy decides otherwise. Attributes: then, now: what was decided, and what is."""

    at_s: float
    then: tuple[Decision, ...]
    now: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of it. Attributes: num_plans: at which something was decided; decisions: those of now, in order."""

    num_plans: int
    decisions: tuple[Decision, ...]
    differences: tuple[Difference, ...]


def replay(events: Iterable[Event], policy: Policy = plan) -> Replayed:
    """Ask the policy again, at each moment at which something was decided."""
    past = _Past()
    differences: list[Difference] = []
    found: list[Decision] = []
    num_plans = 0
    for event in events:
        if event.kind != "plan":
            past.happens(event)
            continue
        at_s, most_of_a_kind, then = plan_of(event.data)
        now = doing(policy(past.world.snapshot(at_s, most_of_a_kind=most_of_a_kind), at_s))
        num_plans += 1
        found += now
        if now != then:
            differences.append(Difference(at_s, then, now))
    return Replayed(num_plans, tuple(found), tuple(differences))


class _Past:
    """The controller's world as it was, event by event."""

    def __init__(self) -> None:
        self.world = World((), (), (), Settings())
        self._nodes: dict[str, NodeRecord] = {}
        self._teams: dict[str, str] = {}
        self._used: dict[str, tuple[str, AttemptRecord]] = {}
        self._ended: dict[str, JobRecord] = {}

    def happens(self, event: Event) -> None:
        """One more."""
        what = event.kind.partition(" ")[0]
        if event.kind == "controller begins":
            self._begin(event.settings())
        elif event.kind == "node":
            self._nodes[event.subject] = event.node()
            self.world.set_node(event.node())
        elif event.kind == "failure":
            self.world.failures.append(msgspec.convert(event.data, Failure))
        elif what == "job":
            self._job(event)
        elif what == "attempt":
            self._attempt(event.attempt())
        self.world.take_changes()

    def _begin(self, settings: Settings) -> None:
        pools = {pool.name for pool in settings.pools}
        jobs = self.world.jobs.values()
        attempts = self.world.attempts.values()
        self.world = World.restored(
            sorted(jobs, key=lambda job: (job.submitted_s, job.id)),
            sorted(attempts, key=lambda attempt: attempt.id),
            [self._nodes[name] for name in sorted(self._nodes) if self._nodes[name].pool in pools],
            settings,
            used=[self._used[attempt] for attempt in sorted(self._used, reverse=True)],
            ended=sorted(self._ended.values(), key=lambda job: (job.ended_s or 0.0, job.id)),
            failures=self.world.failures,
        )

    def _job(self, event: Event) -> None:
        state = JobState(event.kind.removeprefix("job "))
        known = self.world.jobs.get(event.subject)
        if known is None and event.record is not None:
            known = replace(event.record, state=JobState.WAITING, eligible_s=0.0, ran_s=0.0, ended_s=None, reason="")
            self._teams[known.id] = known.team
            self.world.add(known)
        if known is None:
            return
        told = {name: event.data[name] for name in ("eligible_s", "ran_s", "reason")}
        told["speeds"] = {int(num): rate for num, rate in event.data["speeds"].items()}
        job = replace(known, state=state, ended_s=event.at_ns / 1e9 if state.is_final else None, **told)
        self.world.set_job(job)
        if state.is_final:
            self._ended[job.id] = job

    def _attempt(self, attempt: AttemptRecord) -> None:
        team = self._teams.get(attempt.job, "")
        self.world.set_attempt(team, attempt)
        if attempt.state is AttemptState.ENDED:
            self._used[attempt.id] = team, attempt
