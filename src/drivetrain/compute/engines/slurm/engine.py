"""A Slurm cluster: an attempt is one of its jobs, known again by its comment."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from drivetrain.compute.agent.assignment import read_assignment
from drivetrain.compute.agent.claim import claim_file, holder
from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.engines.protocol import Ending, StartRequest
from drivetrain.compute.engines.slurm import commands, endings, others, queue
from drivetrain.compute.engines.slurm.errands import Errands
from drivetrain.compute.engines.slurm.polling import Polling
from drivetrain.core.errors import DataError, StoreError

_EVERY_S, _NODES_EVERY_S = 1.0, 2.0
_LOG = "slurm.log"
_IF_PENDING = "--state=PENDING"
"""Of `scancel`: a signal to a job that has not begun is tried again for minutes, until it has."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What Slurm has.

    Attributes:
      jobs: by attempt.
      left: by attempt of those that run, the nodes that the job still has.
    """

    nodes: Sequence[NodeRecord]
    jobs: Mapping[str, queue.BatchJob]
    left: Mapping[str, frozenset[str]]


class SlurmEngine:
    """An `Engine` of a cluster whose commands work here.

    Args:
      pool: its name.
      partition: of Slurm; empty for its default.
      folder: where agents find what they are told; the nodes see it too.
    """

    def __init__(self, pool: str, *, partition: str, folder: Path) -> None:
        self._pool, self._partition, self._folder = pool, partition, folder
        self._nodes: tuple[float, Sequence[NodeRecord]] = (-_NODES_EVERY_S, ())
        self._others = others.Others(self._is_ours)
        self._hides_jobs: bool | None = None
        self._started_s: dict[str, float] = {}
        self._numbers: dict[str, str] = {}
        self._errands = Errands()
        self._polling = Polling(self._see, name=f"Slurm of pool {pool}", every_s=_EVERY_S)

    def nodes(self) -> Sequence[NodeRecord]:
        """Those of the partition, as Slurm sees them, with what it has given of each to others."""
        return self._polling.newest()[1].nodes

    def start(self, request: StartRequest) -> None:
        """Submit a job for it, unless Slurm has one."""
        self._polling.newest()  # one that does not answer is not asked
        self._numbers[request.attempt] = self._errands.run(request.attempt, lambda: self._submit(request))
        self._started_s[request.attempt] = time.monotonic()

    def _submit(self, request: StartRequest) -> str:
        if not request.is_first and (job := self._jobs().get(request.attempt)) is not None:
            return job.number
        log = self._folder / request.attempt / _LOG
        return commands.submit(commands.batch_arguments(request, self._partition, str(log)), request)

    def living(self) -> Mapping[str, frozenset[int]]:
        """Those of which Slurm still has a job, or is asked for one; of a job, all members that are there and not over.

        One that has not begun will not on a node that takes no new work, which it may have come to be meanwhile. A node
        that was down is not the job's any more, also when it is back: what Slurm finds there of the job it kills. Jobs
        of which nothing is known here are those of another server that uses the same cluster.
        """
        asked_s, seen = self._polling.newest()
        self._started_s = {attempt: at_s for attempt, at_s in self._started_s.items() if at_s > asked_s}
        self._numbers = {attempt: number for attempt, number in self._numbers.items() if attempt in self._started_s}
        down = {node.name for node in seen.nodes if node.state == "down"}
        unfit = {node.name for node in seen.nodes if node.state != "up"}
        found = {}
        for attempt in {*seen.jobs, *self._started_s, *self._errands.running}:
            if nodes := self._members(attempt):
                is_pending = attempt in seen.jobs and seen.jobs[attempt].is_pending
                gone = unfit if is_pending else down
                left = seen.left.get(attempt, nodes)
                there = {member for member, node in enumerate(nodes) if node not in gone and node in left}
                found[attempt] = frozenset(there - self._ended(attempt)) if len(nodes) > 1 else frozenset(there)
        return found

    def known_as(self, attempt: str) -> str:
        """By its number, as soon as `sbatch` has told it, or Slurm itself."""
        number = self._numbers.get(attempt) or self._newest_number(attempt)
        return f"Slurm job {number}" if number else ""

    def held_up(self, attempt: str) -> str:
        """What Slurm says that it waits for, as `Resources` where others' jobs have the nodes."""
        job = self._polling.newest()[1].jobs.get(attempt)
        return f"Slurm has not begun it: {job.why}" if job is not None and job.why else ""

    def ending(self, attempt: str) -> Ending | None:
        """Asked anew: an agent that Slurm ends says so before the next look."""
        self._polling.newest()  # one that does not answer is not asked
        return self._errands.run(f"ending of {attempt}", lambda: self._ending(attempt))

    def _ending(self, attempt: str) -> Ending | None:
        said = endings.said_of(commands.run(endings.QUESTION), attempt)
        if said is None:
            return None
        nodes = self._members(attempt)
        gone = {node.name: node.evidence for node in self._nodes_now() if node.state == "down" and node.name in nodes}
        if said.nodes and said.state != "COMPLETING":  # one that is ending gives its nodes back one by one
            left = commands.names_of(said.nodes)
            gone |= {node: "" for node in nodes if node not in left and node not in gone}
        return endings.ending_of(said, gone)

    def leave(self, attempt: str) -> None:
        """SIGTERM to the agent of a single node; those of several hear it from the server when they beat next.

        Slurm signals all processes of a step at once, so that ranks would end before their agents can have them save.
        One that has not begun has no agents, and is gone.
        """
        self._polling.newest()
        self._errands.run(f"leave {attempt}", lambda: self._leave(attempt))

    def _leave(self, attempt: str) -> str:
        if (job := self._jobs().get(attempt)) is None:
            return ""
        if job.is_pending:
            return commands.run(["scancel", _IF_PENDING, job.number])
        if len(self._members(attempt)) == 1:
            return commands.run(["scancel", "--signal=TERM", "--batch", job.number])
        return ""

    def kill(self, attempt: str) -> None:
        """SIGKILL to its agents, and the job is gone; one that has not begun has no agents and is gone too."""
        self._polling.newest()
        self._errands.run(f"kill {attempt}", lambda: self._kill(attempt))

    def _kill(self, attempt: str) -> str:
        if (job := self._jobs().get(attempt)) is None:
            return ""
        if not job.is_pending:
            with suppress(StoreError):
                commands.run(["scancel", "--signal=KILL", "--full", job.number])
        return commands.run(["scancel", job.number])

    def close(self) -> None:
        """Ask no more."""
        self._polling.close()

    def _ended(self, attempt: str) -> set[int]:
        """Members of a gang that left their file, and those that could not, since who leaves it was killed, too."""
        folder = self._folder / attempt
        said = ""
        with suppress(OSError):
            said = (folder / _LOG).read_text(errors="replace")
        killed = {task for task in endings.over_by_srun(said) if holder(claim_file(folder, task)) is None}
        return killed | {int(path.stem) for path in folder.glob(f"*{commands.ENDED}")}

    def _members(self, attempt: str) -> list[str]:
        """Of each member, its node; none where it is not ours."""
        try:
            return list(read_assignment(self._folder / attempt).nodes)
        except DataError:
            return []

    def _newest_number(self, attempt: str) -> str:
        with suppress(StoreError):
            job = self._polling.newest()[1].jobs.get(attempt)
            return "" if job is None else job.number
        return ""

    def _see(self) -> _Seen:
        is_time = time.monotonic() - self._nodes[0] > _NODES_EVERY_S
        nodes = commands.run(commands.NODES) if is_time else ""
        listed = queue.read_jobs(commands.run(queue.JOBS))
        if is_time:
            self._nodes = time.monotonic(), self._with_others(nodes, listed)
        jobs = queue.by_attempt(listed)
        running = {attempt: job for attempt, job in jobs.items() if job.state == "RUNNING" and job.nodes}
        return _Seen(self._nodes[1], jobs, {attempt: commands.names_of(job.nodes) for attempt, job in running.items()})

    def _with_others(self, nodes: str, jobs: Sequence[queue.BatchJob]) -> list[NodeRecord]:
        if self._hides_jobs is None:
            self._hides_jobs = others.hides_jobs(commands.run(["scontrol", "show", "config"]))
        is_contested = self._hides_jobs or others.is_contested(jobs, nodes, self._partition, self._is_ours)
        own = commands.nodes_of(nodes, self._pool, partition=self._partition)
        return others.without(own, self._others.see(nodes, jobs), is_contested=is_contested)

    def _is_ours(self, attempt: str) -> bool:
        return bool(self._members(attempt))

    def _nodes_now(self) -> list[NodeRecord]:
        return commands.nodes_of(commands.run(commands.NODES), self._pool, partition=self._partition)

    @staticmethod
    def _jobs() -> dict[str, queue.BatchJob]:
        return queue.by_attempt(queue.read_jobs(commands.run(queue.JOBS)))
