"""Play a workload under a policy on a virtual clock, and say when each job was done."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drivetrain.compute.policy.elastic.values import Cluster, Finished, Knowledge, Moment, Placement, Policy
from drivetrain.compute.simulate.training.account import Account
from drivetrain.compute.simulate.training.conditions import PUBLISHED, Conditions
from drivetrain.compute.simulate.training.job import PlayedJob
from drivetrain.compute.simulate.training.profiles import Profile, read_profile
from drivetrain.compute.simulate.training.workload import Submitted
from drivetrain.core.errors import DataError, DrivetrainError, UsageError

DECIDE_EVERY_S = 60
STUCK_AFTER_S = 7 * 24 * 3600
"""Jobs that wait or restart for so long while nobody makes progress will never end."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a workload.

    Attributes:
      jct_s: by job, in the order of the workload: seconds from its submission to its end.
      makespan_s: from the first submission to the last end.
      gpu_hours: held by jobs, restarts among them.
      num_restarts: moves after a first start, of all jobs.
      account: for the fleet's ledger.
    """

    jct_s: Mapping[str, int]
    makespan_s: float
    gpu_hours: float
    num_restarts: int
    account: Account

    @property
    def mean_jct_s(self) -> float:
        """Of all jobs alike."""
        return sum(self.jct_s.values()) / len(self.jct_s)

    def jct_quantile_s(self, share: float) -> float:
        """Between jobs, as `numpy.quantile` has it."""
        ordered = sorted(self.jct_s.values())
        at = share * (len(ordered) - 1)
        low = int(at)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def read_profiles(folder: Path, workload: Sequence[Submitted]) -> dict[str, Profile]:
    """The profiles that a workload needs. Raises DataError: one is missing or malformed, named with its job."""
    profiles: dict[str, Profile] = {}
    for job in workload:
        if job.application not in profiles:
            try:
                profiles[job.application] = read_profile(folder, job.application)
            except DataError as exc:
                raise DataError(f"job {job.name[:40]!r} cannot be played: {exc.message}", hint=exc.hint) from exc
    return profiles


def play(
    workload: Sequence[Submitted],
    profiles: Mapping[str, Profile],
    cluster: Cluster,
    policy: Policy,
    conditions: Conditions = PUBLISHED,
    advance: Callable[[int], None] = lambda done: None,  # noqa: ARG005 - nobody watches
) -> Outcome:
    """Play until all jobs have finished.

    Args:
      advance: told how many have.
    Raises: UsageError: the cluster has no GPUs. DataError: a job asks for what can never be. DrivetrainError: the
      policy starves jobs for ever.
    """
    _check(workload, profiles, cluster, policy)
    played = _Played(workload, profiles, cluster, policy, conditions)
    while played.waiting or played.active:
        played.turn()
        advance(len(workload) - len(played.waiting) - len(played.active))
    return played.outcome()


class _Played:
    """The virtual clock and all that moves with it."""

    def __init__(
        self,
        workload: Sequence[Submitted],
        profiles: Mapping[str, Profile],
        cluster: Cluster,
        policy: Policy,
        conditions: Conditions,
    ) -> None:
        errors = random.Random(conditions.seed)  # noqa: S311 - not a secret
        self.cluster, self.policy, self.conditions = cluster, policy, conditions
        self.jobs = [
            PlayedJob(job, profiles[job.application], tunes_batch=policy.tunes_batch, most_gpus=cluster.num_gpus)
            for job in workload
        ]
        self.declared = {
            job.submitted.name: job.profile.progress * errors.lognormvariate(0.0, conditions.declared_error)
            for job in self.jobs
        }
        self.waiting = sorted(self.jobs, key=lambda job: job.submitted.time_s)
        self.active: list[PlayedJob] = []
        self.finished: list[Finished] = []
        self.account = Account(cluster, conditions.restart_s)
        self.memory: object = None
        self.now_s = 0.0
        self.moved_s = 0.0

    def turn(self) -> None:
        """Play to the next decision, and decide."""
        if not self.active:  # nothing happens before the next job comes
            ahead = self.waiting[0].submitted.time_s - self.now_s
            self.now_s += max(0, ahead // DECIDE_EVERY_S - 1) * DECIDE_EVERY_S
            self.moved_s = self.now_s
        before = sum(job.progress for job in self.active)
        for job in self.active:
            job.advance(self.now_s, DECIDE_EVERY_S)
        self.now_s += DECIDE_EVERY_S
        self._look(before)
        while self.waiting and self.waiting[0].submitted.time_s <= self.now_s:
            job = self.waiting.pop(0)
            self.active.append(job)
            self.account.come(job.submitted)
        if self.active:
            self._decide()

    def _look(self, before: float) -> None:
        """Part with jobs that have finished; find that nothing moves."""
        if sum(job.progress for job in self.active) > before:
            self.moved_s = self.now_s
        if self.active and self.now_s - self.moved_s > STUCK_AFTER_S:
            names = ", ".join(job.submitted.name for job in self.active[:3])
            raise DrivetrainError(
                f"{self.policy.name} has let no job make progress for {STUCK_AFTER_S // 3600} h: {len(self.active)} "
                f"wait or restart, {names} among them",
                hint="this is a fault of the policy, not of the workload",
            )
        for job in self.active:
            if job.finished_s is not None:
                self.account.end(job.submitted.name, job.finished_s)
                self._finish(job)
        self.active = [job for job in self.active if job.finished_s is None]

    def _finish(self, job: PlayedJob) -> None:
        """Remember what a policy may learn of it."""
        knowledge, name = self.policy.knowledge, job.submitted.name
        if knowledge is not Knowledge.BLIND:
            declared = self.declared[name] if knowledge is Knowledge.DECLARED else None
            self.finished.append(Finished(job.submitted.application, job.progress, declared))

    def _decide(self) -> None:
        moment = Moment(
            self.now_s,
            self.cluster,
            tuple(job.told(self.policy.knowledge, self.declared[job.submitted.name]) for job in self.active),
            tuple(self.finished),
            self.conditions.restart_s,
            DECIDE_EVERY_S,
        )
        decision = self.policy.decide(moment, self.memory)
        self.memory = decision.memory
        _check_placements(decision.placements, moment, self.policy.name)
        changed = []
        for job in self.active:
            placement = decision.placements.get(job.submitted.name, ())
            if placement != job.placement:
                job.place(placement, self.conditions.restart_s)
                changed.append((job.submitted.name, placement))
        self.account.move(changed, self.now_s)

    def outcome(self) -> Outcome:
        ends = {job.submitted.name: job.finished_s for job in self.jobs if job.finished_s is not None}
        first_s = min(job.submitted.time_s for job in self.jobs)
        return Outcome(
            jct_s={job.submitted.name: round(ends[job.submitted.name] - job.submitted.time_s) for job in self.jobs},
            makespan_s=max(ends.values()) - first_s,
            gpu_hours=sum(job.held_gpu_s for job in self.jobs) / 3600,
            num_restarts=sum(job.num_restarts for job in self.jobs),
            account=self.account,
        )


def _check(workload: Sequence[Submitted], profiles: Mapping[str, Profile], cluster: Cluster, policy: Policy) -> None:
    if cluster.num_gpus < 1:
        raise UsageError(
            f"a cluster of {cluster.num_nodes} nodes with {cluster.gpus_per_node} GPUs can play nothing",
            hint="give --nodes and --gpus-per-node, both at least 1",
        )
    if not workload:
        raise DataError("the workload has no jobs")
    for profile in profiles.values():
        if cluster.gpus_per_node > profile.most_per_node:
            raise UsageError(
                f"nodes have {cluster.gpus_per_node} GPUs; {profile.name} was measured with up to "
                f"{profile.most_per_node} on a node",
                hint=f"--gpus-per-node {profile.most_per_node}",
            )
    for job in workload if not policy.tunes_batch else ():
        batch = profiles[job.application].batch
        if job.num_gpus > cluster.num_gpus:
            raise DataError(
                f"{job.name} asks for {job.num_gpus} GPUs, and the cluster has {cluster.num_gpus}: it cannot start",
                hint="--policy elastic-blind chooses sizes by itself",
            )
        if not batch.smallest <= job.batch <= batch.largest:
            raise DataError(
                f"{job.name} has batch size {job.batch}; {job.application} was measured from {batch.smallest} to "
                f"{batch.largest}"
            )


def _check_placements(placements: Mapping[str, Placement], moment: Moment, policy: str) -> None:
    """No GPU is given twice: whatever the policy, this must hold."""
    used = [0] * moment.cluster.num_nodes
    for placement in placements.values():
        for node, count in placement:
            used[node] += count
    if max(used) > moment.cluster.gpus_per_node:
        raise DrivetrainError(f"{policy} gave more GPUs of a node than it has, at {moment.now_s:.0f} s")
