"""What is asked of engines, and what is missed there: each thing until it is so."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from drivetrain.compute.agent.assignment import Assignment, write_assignment
from drivetrain.compute.controller.states import AttemptRecord, AttemptState, JobRecord
from drivetrain.compute.controller.world import World
from drivetrain.compute.engines import Engine, StartRequest
from drivetrain.server.keys import attempt_token

_PATIENCE_S = 20.0
"""How long an attempt may be unknown to its engine after it was asked for, or after its agent was last heard of."""


class Asking:
    """Remembers what it has asked, so that engines are asked once while all goes well.

    Args:
      home: the store's root.
      server: URL under which agents find the server.
      key: of the server.
    """

    def __init__(self, home: Path, server: str, key: bytes) -> None:
        self._home, self._server, self._key = home, server, key
        self._asked: dict[str, float] = {}
        self._told: set[tuple[str, str]] = set()
        self._missed: dict[tuple[str, int], float] = {}

    @property
    def folder(self) -> Path:
        """Where agents find what they are told."""
        return self._home / "agents"

    def forget(self) -> None:
        """Another controller may have asked for other things: ask again."""
        self._asked.clear()
        self._told.clear()
        self._missed.clear()

    def ask(self, engine: Engine, job: JobRecord, attempt: AttemptRecord, now_s: float) -> None:
        """Have the engine do what this attempt needs now. Raises: StoreError: it would not."""
        if attempt.state is AttemptState.PLACED and attempt.id not in self._asked:
            self._asked[attempt.id] = now_s
            write_assignment(self.folder / attempt.id, self.assignment(job, attempt))
            engine.start(self.request(job, attempt))
        if attempt.state is not AttemptState.LEAVING:
            return
        if (attempt.id, "leave") not in self._told:
            self._told.add((attempt.id, "leave"))
            engine.leave(attempt.id)
        if attempt.leave_by_s is not None and now_s >= attempt.leave_by_s and (attempt.id, "kill") not in self._told:
            self._told.add((attempt.id, "kill"))
            engine.kill(attempt.id)

    def lost(self, world: World, pool: str, engine: Engine, now_s: float) -> Iterator[tuple[str, int]]:
        """Attempts of a pool and their members whose agents the engine does not have, and has not had for a while."""
        living = engine.living()
        for attempt in list(world.attempts.values()):
            if attempt.pool != pool or (attempt.state is AttemptState.PLACED and attempt.id not in self._asked):
                continue
            for member, node in enumerate(attempt.nodes):
                if member in living.get(attempt.id, ()) or member in attempt.exits or member in attempt.lost:
                    self._missed.pop((attempt.id, member), None)
                    continue
                since_s = self._missed.setdefault((attempt.id, member), now_s)
                is_down = (record := world.nodes.get(node)) is None or record.state == "down"
                patience_s = 0.0 if attempt.state is not AttemptState.PLACED and is_down else _PATIENCE_S
                if attempt.state is AttemptState.RUNNING or attempt.state is AttemptState.LEAVING:
                    patience_s = min(patience_s, 2.0)  # its last word may be on its way
                if now_s - since_s >= patience_s:
                    yield attempt.id, member

    def assignment(self, job: JobRecord, attempt: AttemptRecord) -> Assignment:
        """What its agents are told."""
        return Assignment(
            attempt=attempt.id,
            job=job.id,
            run=job.run,
            name=job.job.name,
            server=self._server,
            token=attempt_token(self._key, attempt.id),
            home=str(self._home),
            shares=attempt.shares,
            least_nodes=job.job.nodes_range[0] if len(attempt.shares) > 1 else 1,
            ranks=job.job.num_ranks,
            command=job.job.command,
            snapshot=job.snapshot,
            folder=job.folder,
            env={**job.job.env, "DRIVETRAIN_JOB": job.id},
            secrets=job.job.secrets,
            restarts=0 if job.parent else job.job.retries,
            takes_tasks=bool(job.parent),
            venv=job.job.venv,
            gpu=job.job.gpu,
        )

    def request(self, job: JobRecord, attempt: AttemptRecord) -> StartRequest:
        """What the engine is told."""
        python = str(Path(job.job.venv) / "bin" / "python") if job.job.venv else sys.executable
        return StartRequest(
            attempt=attempt.id,
            job_name=job.job.name or job.id,
            pool=attempt.pool,
            shares=attempt.shares,
            agent=(python, "-m", "drivetrain.compute.agent.main", str(self.folder / attempt.id)),
            env={"DRIVETRAIN_HOME": str(self._home)},
            max_runtime_s=job.job.max_runtime_s,
            grace_s=job.job.grace_s,
            takes_gpus=job.job.gpu_milli > 0,
        )
