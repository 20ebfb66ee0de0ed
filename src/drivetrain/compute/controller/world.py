"""All jobs and attempts at once -> what a policy is told; a decision -> what changes. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from msgspec import structs

from drivetrain.compute.controller import transitions
from drivetrain.compute.controller.changes import Changes, Settings
from drivetrain.compute.controller.decided import doing, plan_data
from drivetrain.compute.controller.expected import ExpectedRunTimes
from drivetrain.compute.controller.free import Free
from drivetrain.compute.controller.line import Line
from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.spending import Prices, SpendBook
from drivetrain.compute.controller.states import AttemptRecord, AttemptState, JobRecord, JobState, Why, changed
from drivetrain.compute.controller.told import request_of, running_of, waiting_of, what_is_left
from drivetrain.compute.controller.usage import UsageBook
from drivetrain.compute.learn.run_times import History
from drivetrain.compute.policy import values
from drivetrain.compute.policy.health import WINDOW_S
from drivetrain.compute.policy.values import Decision, Running, Snapshot, Waiting

_SAID_EVERY_S, _SAID_PER_S = 2.0, 100.0
_NO_PROGRAM = 127  # as a shell says it


class World:
    """Unfinished jobs, living attempts and nodes; changes are collected until they are taken.

    Attributes:
      jobs: unfinished ones, by id.
      attempts: living ones, by the id of their job.
      nodes: by name.
      settings: of operators.
      used: what teams have used lately.
      history: how long jobs ran.
    """

    def __init__(
        self,
        jobs: Iterable[JobRecord],
        attempts: Iterable[AttemptRecord],
        nodes: Iterable[NodeRecord],
        settings: Settings,
        prices: Mapping[str, Prices] | None = None,
    ) -> None:
        self.jobs: dict[str, JobRecord] = {}
        self.attempts = {attempt.job: attempt for attempt in attempts}
        self.nodes = {node.name: node for node in nodes}
        self.settings = settings
        self.failures: list[values.Failure] = []
        self.used = UsageBook()
        self._spent = SpendBook(settings.pools, settings.budgets, prices or {})
        self._warned: dict[str, bool] = {}
        self._line = Line()
        self._expected = ExpectedRunTimes(self._told)
        self._changes = Changes()
        self._has_cores = any(node.gpu == "cpu" for node in self.nodes.values())
        self._waiting: dict[str, Waiting] = {}
        self._running: dict[str, tuple[Running, float]] = {}
        self._free = Free(self.nodes.values(), self.attempts.values())
        self._said_s: dict[str, float] = {}
        for job in jobs:
            self._keep(job)

    @property
    def history(self) -> History:
        """How long jobs ran."""
        return self._expected.history

    @classmethod
    def restored(
        cls,
        jobs: Iterable[JobRecord],
        attempts: Iterable[AttemptRecord],
        nodes: Iterable[NodeRecord],
        settings: Settings,
        *,
        used: Iterable[tuple[str, AttemptRecord]],
        ended: Iterable[JobRecord],
        failures: Iterable[values.Failure] = (),
        prices: Mapping[str, Prices] | None = None,
    ) -> World:
        """As it is when a controller begins.

        Args:
          jobs, attempts, nodes: that are not over.
          used: attempts that are, with their teams.
          ended: jobs that ran to some end, in that order.
          failures: of nodes, of late.
          prices: that pools have had; without, always the present one.
        """
        world = cls((), attempts, nodes, settings, prices)
        world.failures += failures
        for team, attempt in used:
            world._used(team, attempt)
        for job in ended:
            world.learn(job)
        for job in jobs:
            world._keep(job)
        world._note("controller begins", "", settings)
        return world

    def take_changes(self) -> Changes:
        """Those since the last call."""
        changes, self._changes = self._changes, Changes()
        return changes

    def add(self, job: JobRecord) -> None:
        """A job that came, and is durable already: each comes once, though it may be known from before."""
        if job.id not in self.jobs:
            self._keep(job)
        self._note("job waiting", job.id, self._told_of(self.jobs[job.id]))

    def learn(self, job: JobRecord) -> None:
        """A job that has ended tells how long such jobs run; what was expected of others is seen anew now and then."""
        if job.ran_s and self._expected.learn(job):
            self._see_anew()

    def set_node(self, node: NodeRecord) -> None:
        """A node as it is now."""
        before = self.nodes.get(node.name)
        if before != node:
            if before is not None and before.is_cordoned and not node.is_cordoned:  # somebody trusts it again
                self.failures = [failure for failure in self.failures if failure.node != node.name]
            self.nodes[node.name] = node
            self._free.change(node.name)
            if (node.gpu == "cpu") != self._has_cores:
                self._has_cores = any(other.gpu == "cpu" for other in self.nodes.values())
                self._see_anew()
            self._changes.nodes[node.name] = node
            self._note("node", node.name, node)

    def alive(self, attempt_id: str, now_s: float, *, begun_s: float | None = None) -> None:
        """An agent was heard of. Args: begun_s: when it began; now, if nobody says."""
        if (both := self._both(attempt_id)) is not None:
            self._put(*transitions.alive(*both, now_s, begun_s=begun_s))

    def used_devices(self, attempt_id: str, now_s: float) -> None:
        """An agent saw its devices used."""
        if (both := self._both(attempt_id)) is not None and both[0].job.idle_after_s is not None:
            job, attempt = both
            self._put(job, changed(attempt, used_s=now_s))

    def progressed(self, attempt_id: str, step: int | None, saved_step: int | None, now_s: float) -> None:
        """An agent said how far it is."""
        if (both := self._both(attempt_id)) is not None:
            job, attempt = both
            self._put(job, transitions.progressed(attempt, step=step, saved_step=saved_step, now_s=now_s))

    def exited(
        self,
        attempt_id: str,
        member: int,
        exit_code: int,
        now_s: float,
        words: str = "",
        *,
        over_s: float | None = None,
    ) -> None:
        """An agent said how its ranks ended, and why in words. Args: over_s: when they did; now, if nobody says."""
        if (both := self._both(attempt_id)) is not None:
            self._put(*transitions.exited(*both, member, exit_code, now_s, words, over_s=over_s))

    def cannot_start(self, attempt_id: str, words: str, now_s: float) -> None:
        """Its engine can never start it, on any of its nodes."""
        if (both := self._both(attempt_id)) is not None:
            for member in range(len(both[1].shares)):
                self.exited(attempt_id, member, _NO_PROGRAM, now_s, words)

    def known_as(self, attempt_id: str, name: str) -> None:
        """What its engine calls it."""
        if (both := self._both(attempt_id)) is not None:
            self._put(both[0], changed(both[1], known_as=name))

    def held_up(self, attempt_id: str, why: str) -> None:
        """What keeps it from beginning, as its engine says; empty where nothing does."""
        if (both := self._both(attempt_id)) is not None:
            job, attempt = both
            self._put(changed(job, reason=f"{attempt.reason}; {why}" if why else attempt.reason), attempt)

    def not_taken(self, attempt_id: str, why: str, now_s: float) -> None:
        """Its engine would not take it, which says nothing of its nodes: it waits, and is tried again."""
        if (both := self._both(attempt_id)) is not None:
            self._put(*transitions.not_taken(*both, why, now_s))

    def ended_there(self, attempt_id: str, why: Why, words: str, nodes: Collection[str], now_s: float) -> None:
        """Its engine has ended it by itself, or what of it ran on these nodes."""
        if (both := self._both(attempt_id)) is None:
            return
        job, attempt = both
        self._put(*transitions.told_to_leave(job, attempt, why, words, grace_s=job.job.grace_s, now_s=now_s))
        for member, node in enumerate(attempt.nodes):
            if node in nodes:
                self.lost(attempt_id, member, now_s, words)

    def lost(self, attempt_id: str, member: int, now_s: float, what: str = "its agent was lost") -> None:
        """Nothing of an agent is left: its node's fault, unless it was told to leave, and may have been killed."""
        if (both := self._both(attempt_id)) is None:
            return
        job, attempt = both
        if attempt.why in (None, Why.LOST):
            self.failures = [failure for failure in self.failures if now_s - failure.at_s < WINDOW_S]
            self.failures.append(values.Failure(attempt.nodes[member], now_s, job.id, what))
            self._note("failure", attempt.nodes[member], self.failures[-1])
        self._put(*transitions.member_lost(job, attempt, member, now_s))

    def stop(self, job_id: str, reason: str, now_s: float, *, why: Why = Why.STOPPED) -> None:
        """Somebody wants a job to end."""
        job = self.jobs.get(job_id)
        attempt = self.attempts.get(job_id)
        if job is None:
            return
        if attempt is None:
            self._put(transitions.stopped_waiting(job, reason, now_s), None)
            self._stop_workers(job_id, reason, now_s)
        else:
            self._put(*transitions.told_to_leave(job, attempt, why, reason, grace_s=job.job.grace_s, now_s=now_s))

    def array_ended(self, job_id: str, num_failed: int, now_s: float) -> None:
        """All tasks of an array have a result; workers that still wait are not needed."""
        job = self.jobs.get(job_id)
        if job is None:
            return
        num_tasks = len(job.job.tasks)
        state, reason = JobState.SUCCEEDED, f"{num_tasks} tasks succeeded"
        if num_failed:
            state, reason = JobState.FAILED, f"{num_failed} of {num_tasks} tasks failed"
        self._put(changed(job, state=state, reason=reason, exit_code=min(num_failed, 1), ended_s=now_s), None)
        self._stop_workers(job_id, "the array has ended", now_s)

    def _stop_workers(self, array: str, reason: str, now_s: float) -> None:
        for worker in [job.id for job in self.jobs.values() if job.parent == array]:
            self.stop(worker, reason, now_s)

    @property
    def num_waiting(self) -> int:
        """Jobs that wait for places."""
        return len(self._line)

    def is_among_first(self, job_id: str, most: int) -> bool:
        """Whether a job waits, and of those that ask for the same fewer than so many are older."""
        return self._line.is_among_first(job_id, most)

    def snapshot(self, now_s: float, *, most_of_a_kind: int | None = None) -> Snapshot:
        """What a policy is told: of jobs that wait and ask for the same, of the oldest alone where a number says so."""
        living = list(self.attempts.values())
        running = self._running_at(now_s)
        whose = [(job.team, attempt) for job, attempt in zip(running, living, strict=True)]
        ids = self._line.first(most_of_a_kind, counts=lambda job_id: self.jobs[job_id].eligible_s <= now_s)
        return Snapshot(
            nodes=self._free.nodes(self.nodes),
            pools=self.settings.pools,
            quotas=self.settings.quotas,
            budgets=self._spent.counted(self.settings.budgets, whose, now_s),
            usage=self.used.at(now_s, whose),
            waiting=tuple(self.as_waiting(self.jobs[job_id]) for job_id in ids),
            running=tuple(running),
            failures=tuple(self.failures),
            is_part=most_of_a_kind is not None and len(ids) < len(self._line),
        )

    def decided(self, decisions: Sequence[Decision], now_s: float, *, most_of_a_kind: int | None = None) -> bool:
        """Write down what a policy decided, told of so many jobs of a kind, and do it.

        Returns: whether it should be asked again: all that it was told of some kind are gone, and more wait.
        """
        if found := doing(decisions):
            self._note("plan", "", plan_data(found, now_s, most_of_a_kind))
        gone = [each.job for each in decisions if isinstance(each, values.Start | values.Refuse)]
        again = most_of_a_kind is not None and self._line.are_followed(gone, most_of_a_kind)
        self.apply(decisions, now_s)
        return again

    def _see_anew(self) -> None:
        self._waiting.clear()
        self._running.clear()
        self._expected.see_anew()

    def _told(self, job: JobRecord) -> Waiting:
        return waiting_of(job, request_of(job, has_cores=self._has_cores))

    def as_waiting(self, job: JobRecord) -> Waiting:
        """A job as a policy sees it while it waits; made once, for with thousands it is most of what a turn costs."""
        known = self._waiting.get(job.id)
        if known is None or known.eligible_s != job.eligible_s:
            known = self._told(job)
            if (expected := self._expected.of(job, known)) is not None:
                known = structs.replace(known, run_time=what_is_left(expected, job.ran_s, known.restart_s))
            self._waiting[job.id] = known
        return known

    def _running_at(self, now_s: float) -> list[Running]:
        """Jobs that have places, each made once for as long as nothing happens to it.

        More is expected of those that ran longer than most.
        """
        found, known = [], self._running
        for name in self.attempts:
            told, until_s = known.get(name) or self._running_of(name)
            if now_s > until_s:
                given = self.history.given(told, now_s - told.started_s)
                if given != told.run_time:
                    told = structs.replace(told, run_time=given)
                    known[name] = told, until_s
            found.append(told)
        return found

    def _running_of(self, name: str) -> tuple[Running, float]:
        """What a policy is told of a job, and until when it has not run longer than most."""
        job = self.jobs[name]
        known = self.as_waiting(job)
        told = running_of(job, self.attempts[name], known.request, known.run_time)
        until_s = math.inf if known.run_time is None else told.started_s + known.run_time.p50_s
        self._running[name] = told, until_s
        return told, until_s

    def apply(self, decisions: Sequence[Decision], now_s: float) -> None:
        """Do what a policy decided."""
        near = {decision.team for decision in decisions if isinstance(decision, values.Warn)}
        self._warned = {team: is_over for team, is_over in self._warned.items() if team in near}
        for decision in decisions:
            self._apply(decision, now_s)

    def _apply(self, decision: Decision, now_s: float) -> None:
        if isinstance(decision, values.Cordon):
            self.set_node(
                replace(self.nodes[decision.node], state="cordoned", evidence=decision.evidence, is_ours=True)
            )
            return
        if isinstance(decision, values.Warn):
            if self._warned.get(decision.team) != decision.is_over:
                self._warned[decision.team] = decision.is_over
                self._note("warn", decision.team, decision)
            return
        job, attempt = self.jobs[decision.job], self.attempts.get(decision.job)
        if isinstance(decision, values.Start):
            pool = self.nodes[decision.shares[0].node].pool
            self._put(*transitions.placed(job, decision.shares, pool, decision.reason, now_s))
        elif isinstance(decision, values.Wait):
            self._wait(job, decision, now_s)
        elif isinstance(decision, values.Refuse):
            self._put(transitions.refused(job, decision.reason, now_s), None)
        elif isinstance(decision, values.Stop):
            self.stop(job.id, decision.reason, now_s, why=Why.OVER_TIME)
        elif attempt is not None:
            why = Why.PREEMPTED if isinstance(decision, values.Preempt) else Why.RESIZED
            grace_s = decision.grace_s if isinstance(decision, values.Preempt) else job.job.grace_s
            lost_s = decision.lost_s if isinstance(decision, values.Preempt) else 0.0
            if isinstance(decision, values.Resize):
                attempt = changed(attempt, next_shares=decision.shares)
            self._put(
                *transitions.told_to_leave(
                    job, attempt, why, decision.reason, grace_s=grace_s, now_s=now_s, lost_s=lost_s
                )
            )

    def _wait(self, job: JobRecord, decision: values.Wait, now_s: float) -> None:
        """Say why it waits; of many that wait, each seldom, since times and places in line change all the time."""
        every_s = max(_SAID_EVERY_S, len(self.jobs) / _SAID_PER_S)
        if job.reason and abs(now_s - self._said_s.get(job.id, -every_s)) < every_s:
            return
        self._said_s[job.id] = now_s
        self._put(changed(job, reason=decision.reason, position=decision.position), None)

    def _both(self, attempt_id: str) -> tuple[JobRecord, AttemptRecord] | None:
        job_id = attempt_id.rpartition(".")[0]
        attempt = self.attempts.get(job_id)
        return (self.jobs[job_id], attempt) if attempt is not None and attempt.id == attempt_id else None

    def _put(self, job: JobRecord, attempt: AttemptRecord | None) -> None:
        self.set_job(job)
        if attempt is None or self.attempts.get(job.id) == attempt:
            return
        self.set_attempt(job.team, attempt)
        is_over = attempt.state is AttemptState.ENDED
        if is_over and attempt.why is Why.RESIZED and attempt.next_shares and job.state is JobState.WAITING:
            now_s = attempt.ended_s or attempt.placed_s
            self._put(*transitions.placed(job, attempt.next_shares, attempt.pool, attempt.reason, now_s))

    def set_attempt(self, team: str, attempt: AttemptRecord) -> None:
        """An attempt as it is now."""
        before = self.attempts.get(attempt.job)
        if before is None:
            self._changes.added.add(attempt.id)
        if before is None or before.shares != attempt.shares:
            self._free.go(before or attempt)
            self._free.come(attempt)
        if before is None or before.state is not attempt.state:
            self._note(f"attempt {attempt.state}", attempt.id, attempt)
        elif before.saved_s != attempt.saved_s or self._is_watched_for(before, attempt):
            self._note("attempt seen", attempt.id, attempt)
        self._changes.attempts[attempt.id] = attempt
        self._running.pop(attempt.job, None)
        if attempt.state is AttemptState.ENDED:
            self._free.go(attempt)
            self.attempts.pop(attempt.job, None)
            self._used(team, attempt)
        else:
            self.attempts[attempt.job] = attempt

    def _used(self, team: str, attempt: AttemptRecord) -> None:
        self.used.add(team, attempt)
        self._spent.add(team, attempt)

    def _is_watched_for(self, before: AttemptRecord, attempt: AttemptRecord) -> bool:
        """Whether it got on, where the policy asks whether or how fast it does."""
        job = self.jobs.get(attempt.job)
        if (before.progress_s, before.used_s) == (attempt.progress_s, attempt.used_s) or job is None:
            return False
        least, most = job.job.nodes_range
        return least < most or job.job.idle_after_s is not None

    def set_job(self, job: JobRecord) -> None:
        """A job as it is now."""
        before = self.jobs.get(job.id)
        if before == job:
            return
        self._changes.jobs[job.id] = job
        self._running.pop(job.id, None)
        array = self.jobs.get(job.parent)
        if array is not None and array.state is JobState.WAITING and job.state is JobState.RUNNING:
            self.set_job(changed(array, state=JobState.RUNNING, reason=""))
        if before is None or before.state is not job.state:
            self._note(f"job {job.state}", job.id, self._told_of(job))
        if not job.state.is_final:
            self._keep(job)
            return
        self.learn(job)
        self._line.put(job)
        if self.jobs.pop(job.id, None) is not None:
            self._expected.leave(job)
        for known in (self._waiting, self._said_s):
            known.pop(job.id, None)
        if array is not None and not any(other.parent == array.id for other in self.jobs.values()):
            self.set_job(transitions.without_workers(array, job))

    def _keep(self, job: JobRecord) -> None:
        """A job that is not over."""
        if job.id not in self.jobs:
            self._expected.come(job)
        self.jobs[job.id] = job
        self._line.put(job)

    def _told_of(self, job: JobRecord) -> dict[str, object]:
        """What history keeps of a job at each turn of its life: why, whose, and what it asks for."""
        request = self.as_waiting(job).request
        return {
            "reason": job.reason,
            "user": job.user,
            "team": job.team,
            "nodes": request.min_nodes,
            "milli": request.gpu_milli,
            "gpu": request.gpu,
            "cpus": request.cpus,
            "memory_bytes": request.memory_bytes,
            "pool": request.pool,
            "is_array": bool(job.job.array),
            "eligible_s": job.eligible_s,
            "ran_s": job.ran_s,
            "speeds": job.speeds,
        }

    def _note(self, kind: str, subject: str, data: object) -> None:
        self._changes.events.append((kind, subject, data))
