"""Jobs played through the controller on a virtual clock: its own world moves them from state to state, as it does live.

What lives around the controller is played here: jobs come, agents start them at once, save and end as the truth about
each has it (`work.py`), and owners of spot pools take nodes back (`taken.py`). Each event that the controller notes is
told to the fleet's ledger, which gives the account that `drivetrain top` and `cost` give of a live fleet.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable
from functools import partial

from drivetrain.compute.controller.for_ledger import fleet_events
from drivetrain.compute.controller.states import AttemptRecord, JobState, Why
from drivetrain.compute.controller.world import World
from drivetrain.compute.policy.budget import is_paid
from drivetrain.compute.policy.periods import ends_s
from drivetrain.compute.policy.plan import plan
from drivetrain.compute.policy.preempt import stays_s
from drivetrain.compute.policy.values import Decision, Preempt, Resize, Snapshot, Start, Stop, Wait
from drivetrain.compute.simulate.front import FEW, MANY
from drivetrain.compute.simulate.site import Site, record_of
from drivetrain.compute.simulate.taken import Taken
from drivetrain.compute.simulate.values import Arrival
from drivetrain.compute.simulate.work import Work, at_ns, num_devices
from drivetrain.ledger.fleet import Fleet, FleetEvent, fleet_of

Policy = Callable[[Snapshot, float], list[Decision]]
QUIET_S = 600.0
"""So long after a plan, while jobs wait, there is another: some of what it decides goes by the time."""
STUCK_S = 30 * 86400.0
"""A play in which nobody came, and no job further than ever before, for so long will not end by itself."""
MOST_EVENTS = 10_000_000
_LEFT = 143  # as a shell says that it ended by SIGTERM
_OUTCOMES = {
    JobState.SUCCEEDED: "done",
    JobState.STOPPED: "stopped",
    JobState.REFUSED: "refused",
    JobState.FAILED: "failed",
}


class Play:
    """A site with its jobs, from time 0 on.

    Attributes:
      now_s: the time.
      works: of each job that came, how far it is and what became of it.
      events: that the controller noted: at_ns, kind, subject, data.
      num_over: jobs that came, and neither wait nor run any longer.
    """

    def __init__(self, site: Site, *, policy: Policy = plan, seed: int = 0) -> None:
        """Begin with nobody there. Args: seed: of when nodes are taken back."""
        self.now_s = 0.0
        self.works: dict[str, Work] = {}
        self.events: list[tuple[int, str, str, object]] = []
        self.num_over = 0
        self._policy = policy
        self._taken = Taken(site, seed)
        self._world = World.restored((), (), (), site.settings, used=(), ended=())
        self._prices = {pool.name: pool for pool in site.settings.pools}
        self._told: list[FleetEvent] = []
        self._coming: list[tuple[float, int, Callable[[], object]]] = []
        self._count = self._num_to_come = 0
        self._elastic: set[str] = set()
        self._reports: set[str] = set()
        self._planned_s, self._budgets_s, self._moved_s = 0.0, math.inf, 0.0
        self._is_due = False
        self._furthest_s: dict[str, float] = {}
        for node in site.nodes:
            self._world.set_node(node)
        self._write()

    def arrive(self, arrivals: Iterable[Arrival]) -> None:
        """These come at their times."""
        for arrival in arrivals:
            self._at(arrival.job.submitted_s, partial(self._comes, arrival))
            self._num_to_come += 1

    def run(self, watch: Callable[[Play], object] = lambda _: None) -> None:
        """Go on until nothing happens any more, or nobody comes further. Args: watch: told of each plan."""
        for _ in range(MOST_EVENTS):
            if self._is_due:
                self._plan()
                watch(self)
                if self._is_due:
                    continue
            next_s = self._next_s()
            if math.isinf(next_s) or self._is_stuck():
                break
            self._go_to(next_s)
        self._settle()

    @property
    def fleet(self) -> Fleet:
        """Its history in order, as the ledger has it: what every question about the account is answered from."""
        return fleet_of(self._told, at_ns(self.now_s))

    def _next_s(self) -> float:
        """When something happens; infinite where nothing does that could move a job."""
        next_s = self._coming[0][0] if self._coming else math.inf
        if self._world.jobs:
            next_s = min(next_s, self._budgets_s)
        elif not self._num_to_come:
            return math.inf
        if self._world.num_waiting and math.isfinite(next_s):
            next_s = min(next_s, max(self.now_s, self._planned_s + QUIET_S))
        return min(next_s, self._taken.after(self.now_s)) if self._world.attempts else next_s

    def _go_to(self, at_s: float) -> None:
        """Let all happen that does at a time."""
        self.now_s = max(self.now_s, at_s)
        self._is_due |= self.now_s >= self._budgets_s
        self._is_due |= bool(self._world.num_waiting) and self.now_s >= self._planned_s + QUIET_S
        while self._coming and self._coming[0][0] <= self.now_s:
            heapq.heappop(self._coming)[2]()
        while self._world.attempts and self._taken.after(self.now_s) <= self.now_s:
            self._takes(self._taken.take())
        self._write()

    def _at(self, at_s: float, happens: Callable[[], object]) -> None:
        self._count += 1
        heapq.heappush(self._coming, (at_s, self._count, happens))

    def _comes(self, arrival: Arrival) -> None:
        job = record_of(arrival.job)
        self._num_to_come -= 1
        self._moved_s = self.now_s
        self.works[job.id] = Work.of(arrival)
        self._world.add(job)
        self._waits(job.id, job.eligible_s)
        self._is_due |= self._world.num_waiting <= MANY or self._world.is_among_first(job.id, FEW)

    def _waits(self, job: str, eligible_s: float) -> None:
        if eligible_s > self.now_s:
            self._at(eligible_s, partial(self._look, job))

    def _look(self, job: str) -> None:
        """Something may be decided of a job now that no change brings about."""
        self._is_due |= job in self._world.jobs

    def _look_for_others(self) -> None:
        """Somebody may be asked to leave from now on."""
        self._is_due |= bool(self._world.num_waiting)

    def _plan(self) -> None:
        self._is_due, self._planned_s = False, self.now_s
        self._report()
        most = FEW if self._world.num_waiting > MANY else None
        snapshot = self._world.snapshot(self.now_s, most_of_a_kind=most)
        decisions = self._policy(snapshot, self.now_s)
        done = [each for each in decisions if not isinstance(each, Wait)]
        self._is_due = self._world.decided(done, self.now_s, most_of_a_kind=most)
        for decision in decisions:
            if isinstance(decision, Start):
                self._begins(decision.job)
            elif isinstance(decision, Preempt | Stop | Resize):
                attempt = self._world.attempts[decision.job]
                self._at(attempt.leave_by_s or self.now_s, partial(self._leaves, decision.job, attempt.id))
        self._budgets_s = self._budgets_due_s(snapshot)
        self._write()

    def _report(self) -> None:
        """Agents say when their jobs last saved and that they use their devices, where a policy asks for it."""
        for job in self._reports:
            work = self.works[job]
            assert work.attempt is not None
            if num := work.num_saves(self.now_s):
                self._world.progressed(work.attempt.id, None, num, work.saved_s(num))
            self._world.used_devices(work.attempt.id, self.now_s)

    def _begins(self, job: str) -> None:
        """Its agents start at once."""
        attempt, work = self._world.attempts[job], self.works[job]
        work.begin(attempt, self.now_s)
        self._world.alive(attempt.id, self.now_s)
        self._at(work.done_at_s, partial(self._is_done, job, attempt.id))
        asked = work.story.job
        if asked.request.max_nodes > asked.request.min_nodes:
            self._elastic.add(job)
        if asked.save_every_s or asked.idle_after_s:
            self._reports.add(job)
        if asked.max_runtime_s:
            self._at(self.now_s + asked.max_runtime_s, partial(self._look, job))
        if asked.preemptible or self._world.settings.quotas:
            self._at(self.now_s + stays_s(asked), self._look_for_others)

    def _living(self, job: str, attempt_id: str) -> AttemptRecord | None:
        attempt = self._world.attempts.get(job)
        return attempt if attempt is not None and attempt.id == attempt_id else None

    def _is_done(self, job: str, attempt_id: str) -> None:
        if attempt := self._living(job, attempt_id):
            self._end(attempt, saves=True)
            for member in range(len(attempt.shares)):
                self._world.exited(attempt.id, member, 0, self.now_s)
            self._ended(job)

    def _leaves(self, job: str, attempt_id: str) -> None:
        """It was told to: whoever can save has done so by now."""
        if attempt := self._living(job, attempt_id):
            self._end(
                attempt, saves=attempt.why is not Why.PREEMPTED or self.works[job].story.job.save_every_s is not None
            )
            for member in range(len(attempt.shares)):
                self._world.exited(attempt.id, member, _LEFT, self.now_s)
            self._ended(job)

    def _takes(self, node: str) -> None:
        """Its owner takes a node back without a word, and whoever is on it goes on elsewhere from its last save."""
        for attempt in list(self._world.attempts.values()):
            if node not in attempt.nodes:
                continue
            self._end(attempt, saves=False)
            self.works[attempt.job].story.num_interrupted += 1
            for member, where in enumerate(attempt.nodes):
                if where == node:
                    self._world.lost(attempt.id, member, self.now_s)
            for member, where in enumerate(attempt.nodes):
                if where != node:
                    self._world.exited(attempt.id, member, _LEFT, self.now_s)
            self._ended(attempt.job)

    def _end(self, attempt: AttemptRecord, *, saves: bool) -> None:
        work = self.works[attempt.job]
        self._told.append(work.end(self.now_s, saves=saves))
        self._elastic.discard(attempt.job)
        self._reports.discard(attempt.job)
        if work.story.done_s > self._furthest_s.get(attempt.job, 0.0):
            self._furthest_s[attempt.job], self._moved_s = work.story.done_s, self.now_s

    def _ended(self, job: str) -> None:
        """Somebody else may have what became free."""
        if job in self._world.attempts:  # resized: it goes on elsewhere at once
            self._begins(job)
        elif job in self._world.jobs:
            self._waits(job, self._world.jobs[job].eligible_s)
        self._is_due |= bool(self._world.num_waiting or self._elastic)

    def _is_stuck(self) -> bool:
        if self._num_to_come or self.now_s - self._moved_s <= STUCK_S:
            return False
        for job, work in self.works.items():
            if work.attempt is not None and work.reached_s(self.now_s) > self._furthest_s.get(job, 0.0):
                self._furthest_s[job], self._moved_s = work.reached_s(self.now_s), self.now_s
        return self.now_s - self._moved_s > STUCK_S

    def _budgets_due_s(self, snapshot: Snapshot) -> float:
        """When a team's budget comes to its end as it is spent now, or begins anew where it has."""
        due_s = math.inf
        for budget in snapshot.budgets:
            paid = [
                num_devices(attempt) * self._prices[attempt.pool].price_per_gpu_h / 3600
                for attempt in self._world.attempts.values()
                if is_paid(self._prices[attempt.pool]) and self._world.jobs[attempt.job].team == budget.team
            ]
            anew_s = ends_s(budget.per, self.now_s)
            if budget.spent >= budget.limit or not paid:
                due_s = min(due_s, anew_s)
            else:
                due_s = min(due_s, anew_s, self.now_s + max(1.0, math.ceil((budget.limit - budget.spent) / sum(paid))))
        return due_s

    def _settle(self) -> None:
        """The time is over: what runs still has kept what it did."""
        for work in self.works.values():
            if work.attempt is not None:
                self._told.append(work.end(self.now_s, saves=True))
                work.story.outcome = "running"

    def _write(self) -> None:
        """What changed, for the ledger."""
        changes = self._world.take_changes()
        now_ns = at_ns(self.now_s)
        for job in changes.jobs.values():
            if job.state.is_final:
                story = self.works[job.id].story
                story.outcome, story.reason = _OUTCOMES[job.state], job.reason
                self.num_over += 1
                self._moved_s = self.now_s
        for kind, subject, data in changes.events:
            self.events.append((now_ns, kind, subject, data))
            self._told += fleet_events(now_ns, kind, subject, data, self._owner)

    def _owner(self, job: str) -> tuple[str, str]:
        asked = self.works[job].story.job
        return asked.user, asked.team
