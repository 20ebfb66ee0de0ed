"""A fleet on a virtual clock: jobs come, run and end, and at each change the policy says what to do.

What is true of a job - how long it runs - is known to the world alone; the policy is told what it could know. What
teams spend meanwhile is not counted; their budgets begin anew with their day, week or month.
"""

from __future__ import annotations

import dataclasses
import heapq
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from drivetrain.compute.policy.periods import ends_s
from drivetrain.compute.policy.plan import plan
from drivetrain.compute.policy.preempt import stays_s
from drivetrain.compute.policy.state import held, started
from drivetrain.compute.policy.values import (
    Cordon,
    Decision,
    Node,
    Preempt,
    Refuse,
    Resize,
    Running,
    RunTime,
    Share,
    Snapshot,
    Start,
    Stop,
    Wait,
    Waiting,
)
from drivetrain.compute.simulate.carry import told_to_have, with_share
from drivetrain.compute.simulate.front import Front
from drivetrain.compute.simulate.values import Arrival, AsSaid, Knowledge, Story, Use

Policy = Callable[[Snapshot, float], list[Decision]]
MOST_EVENTS = 10_000_000


@dataclass(slots=True)
class _Attempt:
    """A running job as the world knows it: it works on from `since_s`, unless the event `ends` comes to nothing."""

    number: int
    begun_s: float
    since_s: float
    rate: float
    ends: int = 0


class World:
    """The fleet and its jobs, at a time.

    Attributes:
      now_s: the time.
      stories: what became of each job.
      decisions: of the last plan.
      use: pool -> what its devices did.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        now_s: float,
        *,
        runs_s: Mapping[str, float] | None = None,
        policy: Policy = plan,
        knowledge: Knowledge | None = None,
        every_s: float = 0.0,
        coarser: float = 0.0,
        idle_part: float = 1.0,
        few: int = 0,
        behind: Sequence[Waiting] = (),
        most_waiting: int = 0,
        front: Front | None = None,
    ) -> None:
        """Start from a snapshot.

        Args:
          runs_s: of its jobs, in all on their fewest nodes; the median that is expected by default.
          policy: what decides.
          knowledge: what the policy is told of run times.
          every_s: changes less than this apart are planned for together.
          coarser: and those less than this part of the time that was played,
          idle_part: unless so large a part of all devices has become free since the last plan,
          few: or no more than so many wait: then whoever comes may have what is free, and a plan is quickly made.
          behind: who waits too, in this order, behind those of the snapshot: the policy is told of them as fewer than
            `most_waiting` are left before them, for of a long line only the front can start.
          front: of whom the policy is told while many wait, again as long as any of them starts; of all by default.
        """
        self.now_s = now_s
        self.decisions: list[Decision] = []
        self.stories: dict[str, Story] = {}
        self._given = snapshot
        self.use = {node.pool: Use() for node in snapshot.nodes}
        self._capacity = dict.fromkeys(self.use, 0)
        self._free = dict.fromkeys(self.use, 0)
        for node in snapshot.nodes:
            self._capacity[node.pool] += 1000 * node.num_gpus
            self._free[node.pool] += sum(node.free_milli)
        self._policy, self._knowledge = policy, knowledge or AsSaid()
        self._begun_s, self._every_s, self._coarser, self._idle_part = now_s, every_s, coarser, idle_part
        self._few = few
        self._free_then = sum(self._free.values())
        self._nodes: dict[str, Node] = {node.name: node for node in snapshot.nodes}
        self._waiting: dict[str, Waiting] = {}
        self._running: dict[str, Running] = {}
        self._attempts: dict[str, _Attempt] = {}
        self._elastic: set[str] = set()
        self._events: list[tuple[float, int, str, object]] = []
        self._count = self._num_coming = 0
        self._planned_s = -math.inf
        self._due = True
        self._runs_s = runs_s or {}
        self._front = front
        self._behind, self._most_waiting = deque(behind), most_waiting
        self._take_up()

    def _take_up(self) -> None:
        """Those whom the snapshot has, and when budgets begin anew."""
        for budget in self._given.budgets:
            self._at(ends_s(budget.per, self.now_s), "budget anew", budget.team)
        for waits in self._given.waiting:
            self._add(waits, self._runs_s.get(waits.job, _expected_s(waits.run_time)))
        for runs in self._given.running:
            self._resume(runs, self._runs_s.get(runs.job, _expected_s(runs.run_time)))

    @property
    def snapshot(self) -> Snapshot:
        """What the policy would be told now."""
        for name, job in self._running.items():
            self._running[name] = self._as_of_now(job)
        first = self._front.first(len(self._waiting)) if self._front else None
        return replace(
            self._given,
            nodes=tuple(self._nodes.values()),
            waiting=tuple(self._waiting.values() if first is None else [self._waiting[job] for job in first]),
            running=tuple(self._running.values()),
            is_part=first is not None,
        )

    @property
    def whole(self) -> Snapshot:
        """What the policy would be told now if it were told of all that wait."""
        return replace(self.snapshot, waiting=tuple(self._waiting.values()), is_part=False)

    @property
    def num_over(self) -> int:
        """Jobs that came, and neither wait nor run any longer."""
        return len(self.stories) - len(self._waiting) - len(self._running)

    def _as_of_now(self, job: Running) -> Running:
        """With its last save, its last step, and what can be expected of one that ran longer than most."""
        ran_s, every_s = self.now_s - job.started_s, self.stories[job.job].job.save_every_s
        if every_s:
            saved_s = job.started_s + ran_s // every_s * every_s
            job = job if saved_s <= job.saved_s else replace(job, saved_s=saved_s)
        if job.idle_after_s is not None:
            job = replace(job, progress_s=self.now_s)
        if job.run_time is not None and ran_s > job.run_time.p50_s:
            job = replace(job, run_time=self._knowledge.given(job, ran_s))
        return job

    def arrive(self, arrivals: Iterable[Arrival]) -> None:
        """These come at their times."""
        for arrival in arrivals:
            self._at(arrival.job.submitted_s, "arrival", arrival)
            self._num_coming += 1

    def run(self, until_s: float = math.inf, *, until: Callable[[World], bool] | None = None) -> None:
        """Go on until the time, or until something is so, or until nothing happens any more."""
        for _ in range(MOST_EVENTS):
            if self._due and not self._plan_is_early():
                self._plan()
                if until is not None and until(self):
                    return
            next_s = self._events[0][0] if self._events and self._has_work() else math.inf
            if self._due:
                next_s = min(next_s, max(self.now_s, self._planned_s + self._gap_s()))
            if next_s > until_s or math.isinf(next_s):
                if math.isfinite(until_s):
                    self._advance(until_s)
                return
            self._advance(next_s)
            while self._events and self._events[0][0] <= self.now_s:
                _, _, kind, what = heapq.heappop(self._events)
                self._happens(kind, what)

    def _has_work(self) -> bool:
        """Whether any job is there or comes still; looks at those that are gone change nothing."""
        return bool(self._num_coming or self._waiting or self._running or self._behind)

    def _advance(self, to_s: float) -> None:
        past_s = max(0.0, to_s - self.now_s)
        for pool, use in self.use.items():
            use.capacity += past_s * self._capacity[pool]
            use.allocated += past_s * (self._capacity[pool] - self._free[pool])
        self.now_s = max(self.now_s, to_s)

    def _move(self, shares: Iterable[Share], sign: int) -> None:
        for share in shares:
            node = self._nodes.get(share.node)
            if node is not None:
                self._nodes[share.node] = with_share(node, share, sign)
                self._free[node.pool] += sign * sum(milli for _, milli in share.milli)

    def _plan_is_early(self) -> bool:
        if self.now_s >= self._planned_s + self._gap_s():
            return False
        freed = sum(self._free.values()) - self._free_then
        is_idle = freed > 0 and freed >= self._idle_part * sum(self._capacity.values())
        return not (is_idle and self.now_s >= self._planned_s + self._every_s)

    def _gap_s(self) -> float:
        """How long after a plan there is none."""
        if math.isinf(self._planned_s):
            return 0.0
        if len(self._waiting) <= self._few:
            return self._every_s
        return max(self._every_s, self._coarser * (self._planned_s - self._begun_s))

    def _plan(self) -> None:
        self._due, self._planned_s = False, self.now_s
        while self._behind and len(self._waiting) < self._most_waiting:
            waits = self._behind.popleft()
            self._add(waits, self._runs_s.get(waits.job, _expected_s(waits.run_time)))
        snapshot = self.snapshot
        self.decisions = self._policy(snapshot, self.now_s)
        self._due = snapshot.is_part and any(isinstance(decision, Start | Refuse) for decision in self.decisions)
        if self._due:
            self._planned_s = -math.inf  # of the next few, at once
        for decision in self.decisions:
            match decision:
                case Start(job, shares):
                    waits = self._leaves_line(job)
                    self._move(shares, -1)
                    self._begin(started(waits, shares, self.now_s))
                case Resize(job, shares):
                    self._running[job], more = told_to_have(self._running[job], shares)
                    self._move(more, -1)
                    self._at(self.now_s, "resized", (job, self._attempts[job].number))
                case Preempt(job, grace_s) | Stop(job, grace_s):
                    self._running[job] = replace(self._running[job], leaving=True)
                    kind = "left" if isinstance(decision, Preempt) else "stopped"
                    self._at(self.now_s + grace_s, kind, (job, self._attempts[job].number))
                case Refuse(job, reason):
                    self._leaves_line(job)
                    self.stories[job].outcome, self.stories[job].reason = "refused", reason
                case Cordon(node):
                    self._nodes[node] = replace(self._nodes[node], state="cordoned")
                case Wait():
                    pass
        self._free_then = sum(self._free.values())

    def _joins_line(self, job: Waiting) -> None:
        self._waiting[job.job] = job
        if self._front:
            self._front.put(job)

    def _leaves_line(self, job: str) -> Waiting:
        waits = self._waiting.pop(job)
        if self._front:
            self._front.drop(waits)
        return waits

    def _add(self, job: Waiting, run_s: float) -> None:
        self.stories[job.job] = Story(job, run_s)
        self._joins_line(job)
        if job.eligible_s > self.now_s:
            self._at(job.eligible_s, "look", None)

    def _resume(self, job: Running, run_s: float) -> None:
        """A job that runs already when the world begins."""
        story = Story(_as_waiting(job), run_s, [job.started_s], outcome="running")
        self.stories[job.job] = story
        self._runs(job)
        rate = _rate(job)
        ran_s = max(0.0, self.now_s - job.started_s)
        attempt = self._attempts[job.job] = _Attempt(self._number(), job.started_s, self.now_s, rate)
        story.done_s = ran_s * rate
        self._foresee(job.job)
        self._looks(job)
        if job.leaving:
            self._at(self.now_s + job.grace_s, "left", (job.job, attempt.number))
        elif job.next_shares is not None:
            self._at(self.now_s, "resized", (job.job, attempt.number))

    def _begin(self, job: Running) -> None:
        story = self.stories[job.job]
        delay_s = job.restart_s if story.starts_s else 0.0
        story.starts_s.append(self.now_s)
        story.outcome = "running"
        self._runs(job)
        self._attempts[job.job] = _Attempt(self._number(), self.now_s, self.now_s + delay_s, _rate(job))
        self._foresee(job.job)
        self._looks(job)

    def _runs(self, job: Running) -> None:
        self._running[job.job] = job
        if job.request.max_nodes > job.request.min_nodes:
            self._elastic.add(job.job)

    def _looks(self, job: Running) -> None:
        """When something may be decided of the job that no change brings about."""
        if job.max_runtime_s and job.started_s + job.max_runtime_s > self.now_s:
            self._at(job.started_s + job.max_runtime_s, "look", None)
        if (job.preemptible or self._given.quotas) and job.started_s + stays_s(job) > self.now_s:
            self._at(job.started_s + stays_s(job), "may leave", None)

    def _foresee(self, name: str) -> None:
        """When the attempt will be done, at the rate that it has."""
        story, attempt = self.stories[name], self._attempts[name]
        attempt.ends = self._number()
        left_s = max(0.0, story.run_s - story.done_s) / attempt.rate
        self._at(max(attempt.since_s, self.now_s) + left_s, "done", (name, attempt.ends))

    def _happens(self, kind: str, what: object) -> None:
        if isinstance(what, Arrival):
            self._num_coming -= 1
            expected = self._knowledge.expected(what.job)
            self._add(replace(what.job, run_time=expected), what.run_s)
            if self._front and self._front.is_behind(what.job, len(self._waiting)):
                return
        if kind == "may leave":
            self._due |= bool(self._waiting)
            return
        if kind == "budget anew":
            self._begins_anew(str(what))
        if not isinstance(what, tuple):
            self._due = True
            return
        name, number = what
        attempt = self._attempts.get(name)
        if attempt is None or number != (attempt.ends if kind == "done" else attempt.number):
            return
        self._progress(name)
        if kind == "resized":
            self._resized(name)
        else:
            self._ends(name, kind)
        self._due |= bool(self._waiting or self._behind or self._elastic)  # else nobody could have what became free

    def _begins_anew(self, team: str) -> None:
        """Nothing is spent any more of its budget, and it has not to wait for the next plan."""
        budgets = (dataclasses.replace(each, spent=0) if each.team == team else each for each in self._given.budgets)
        self._given = replace(self._given, budgets=tuple(budgets))
        self._planned_s = -math.inf

    def _progress(self, name: str) -> None:
        story, attempt = self.stories[name], self._attempts[name]
        story.done_s = min(story.run_s, story.done_s + max(0.0, self.now_s - attempt.since_s) * attempt.rate)
        attempt.since_s = max(attempt.since_s, self.now_s)

    def _resized(self, name: str) -> None:
        job = self._running[name]
        if job.next_shares is None or job.leaving:
            return
        self._move([share for share in job.shares if share not in job.next_shares], 1)
        job = self._running[name] = replace(job, shares=job.next_shares, next_shares=None)
        attempt = self._attempts[name]
        attempt.rate, attempt.since_s = _rate(job), self.now_s + job.restart_s
        self._foresee(name)

    def _ends(self, name: str, kind: str) -> None:
        job, story, attempt = self._running[name], self.stories[name], self._attempts[name]
        self._move(held(job), 1)
        del self._running[name], self._attempts[name]
        self._elastic.discard(name)
        story.ends_s.append(self.now_s)
        is_done = kind == "done" or story.done_s >= story.run_s
        if is_done:
            story.outcome = "done"
            self._knowledge.ended(story.job, story.run_s)
        elif kind == "stopped":
            story.outcome = "stopped"
        else:
            self._waits_again(name, job, attempt)

    def _waits_again(self, name: str, job: Running, attempt: _Attempt) -> None:
        story = self.stories[name]
        if story.job.save_every_s is None:
            story.lost_s += len(job.shares) * (job.request.gpu_milli / 1000) * (self.now_s - attempt.begun_s)
            story.done_s = 0.0
        story.outcome = "waiting"
        left = job.run_time
        if left is not None:
            rest = [max(1.0, run_s - story.done_s) for run_s in (left.p10_s, left.p50_s, left.p90_s)]
            left = RunTime(*rest)
        self._joins_line(replace(story.job, run_time=left))

    def _at(self, at_s: float, kind: str, what: object) -> None:
        heapq.heappush(self._events, (at_s, self._number(), kind, what))

    def _number(self) -> int:
        self._count += 1
        return self._count


def _rate(job: Running) -> float:
    """Work a second, 1 on its fewest nodes; where its speed was not measured, more nodes bring nothing."""
    base = job.speed_by_nodes.get(job.request.min_nodes)
    now = job.speed_by_nodes.get(len(job.shares))
    return now / base if base and now else 1.0


def _expected_s(run_time: RunTime | None) -> float:
    return run_time.p50_s if run_time else 3600.0


def _as_waiting(job: Running) -> Waiting:
    return Waiting(
        job.job,
        job.team,
        job.user,
        job.request,
        job.priority,
        job.preemptible,
        job.submitted_s,
        run_time=job.run_time,
        max_runtime_s=job.max_runtime_s,
        deadline_s=job.deadline_s,
        save_every_s=600.0 if job.saved_s > job.started_s else None,
        restart_s=job.restart_s,
        min_runtime_s=job.min_runtime_s,
        grace_s=job.grace_s,
        speed_by_nodes=job.speed_by_nodes,
        name=job.name,
    )
