"""What is asked of engines, and what is missed there: each thing until it is so."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from drivetrain.compute.agent.assignment import Assignment, has_assignment, read_assignment, write_assignment
from drivetrain.compute.agent.begun import why_not_begun
from drivetrain.compute.agent.client import CA_FILE
from drivetrain.compute.agent.main import BEGIN
from drivetrain.compute.controller.states import AttemptRecord, AttemptState, JobRecord
from drivetrain.compute.controller.world import World
from drivetrain.compute.engines import Engine, StartRequest
from drivetrain.core import variables
from drivetrain.core.errors import DataError, StoreError
from drivetrain.server.keys import attempt_token
from drivetrain.store import create_run, run_folder, sync_files

_PATIENCE_S = 20.0
"""How long an engine may fail to start an attempt."""
_LAST_WORD_S = 2.0
"""How long a last word may be on its way from an agent that is gone: it ends when the server has taken that."""
_MARGIN_S = 5.0
"""How long after the grace, all of which is the job's, its agents may take to end what has not ended and to say so."""
_KILL_EVERY_S = 2.0
_REMAINS_S = 10.0


class Asking:
    """Remembers what it has asked, so that engines are asked once while all goes well.

    Args:
      home: the store's root.
      server: URL under which agents find the server.
      key: of the server.
      ca_file: what agents are to hold the server's certificate against; empty for what their system trusts.
      hand_over: leaves an assignment in the folder of its attempt; what engines without agents need not have.
    Attributes:
      folder: where agents find what they are told.
    """

    def __init__(
        self,
        home: Path,
        server: str,
        key: bytes,
        *,
        ca_file: str = "",
        hand_over: Callable[[Path, Assignment], None] = write_assignment,
    ) -> None:
        self._home, self._server, self._key, self._ca_file = home, server, key, ca_file
        self.folder = home / "agents"
        self._hand_over = hand_over
        self._inherited: frozenset[str] = frozenset()
        self._asked: dict[str, float] = {}
        self._started: set[str] = set()
        self._told: set[str] = set()
        self._killed: dict[str, float] = {}
        self._missed: dict[tuple[str, int], float] = {}
        self._remains: dict[str, float] = {}
        self._refusals: dict[str, str] = {}

    def forget(self, known: Iterable[str]) -> None:
        """Another controller may have asked for other things: ask again.

        Args:
          known: attempts that it may have asked for.
        """
        self._inherited = frozenset(known)
        for kept in (self._asked, self._started, self._told, self._killed, self._missed, self._remains, self._refusals):
            kept.clear()

    def ask(self, engine: Engine, job: JobRecord, attempt: AttemptRecord, now_s: float) -> None:
        """Have the engine do what this attempt needs now. Raises: StoreError: it would not; asked again next time."""
        if attempt.id not in self._started:
            is_first = attempt.id not in self._asked and attempt.id not in self._inherited
            self._asked.setdefault(attempt.id, now_s)
            new = self._write(job, attempt)
            try:
                if attempt.state is AttemptState.PLACED:
                    engine.start(self.request(job, attempt, is_first=is_first))
            except StoreError as exc:
                self._refusals[attempt.id] = exc.message
                raise
            finally:
                sync_files(new)  # agents see it before; were it lost with the power, it would be made again
            self._started.add(attempt.id)
            self._refusals.pop(attempt.id, None)
        if attempt.state is not AttemptState.LEAVING:
            return
        is_late = attempt.leave_by_s is not None and now_s >= attempt.leave_by_s + _MARGIN_S
        if is_late and now_s - self._killed.get(attempt.id, 0.0) >= _KILL_EVERY_S:
            self._killed[attempt.id] = now_s
            engine.kill(attempt.id)
        elif not is_late and attempt.id not in self._told:
            engine.leave(attempt.id)
            self._told.add(attempt.id)

    def tell(self, job: JobRecord, attempt: AttemptRecord) -> None:
        """Have agents find this server, though no engine here has their pool: it hears of their ends all the same.

        Raises: StoreError: it cannot be written; asked again next time.
        """
        if attempt.id not in self._started:
            sync_files(self._write(job, attempt))
            self._started.add(attempt.id)

    def lost(
        self, world: World, pool: str, living: Mapping[str, frozenset[int]], now_s: float
    ) -> Iterator[tuple[str, int]]:
        """Attempts of a pool and their members whose agents the engine does not have, and has not had for a while."""
        for attempt in list(world.attempts.values()):
            if attempt.pool != pool or attempt.id not in self._asked:
                continue
            for member, node in enumerate(attempt.nodes):
                if member in living.get(attempt.id, ()) or member in attempt.exits or member in attempt.lost:
                    self._missed.pop((attempt.id, member), None)
                    continue
                since_s = self._missed.setdefault((attempt.id, member), now_s)
                if now_s - since_s >= self._patience_s(attempt, world, node):
                    yield attempt.id, member

    def why_not_taken(self, attempt: str) -> str:
        """What its engine said, which would not take it so far; empty of one that it has taken."""
        return self._refusals.get(attempt, "")

    def why_not_begun(self, attempt: str, member: int) -> str:
        """Why a member's agent, which is gone, cannot begin anywhere; empty where it did, or may elsewhere."""
        why = why_not_begun(self.folder / attempt, member)
        return f"its python cannot be an agent: {why}" if why else ""

    def _patience_s(self, attempt: AttemptRecord, world: World, node: str) -> float:
        if attempt.id not in self._started:
            return _PATIENCE_S
        is_down = (record := world.nodes.get(node)) is None or record.state == "down"
        return 0.0 if is_down and attempt.state is not AttemptState.PLACED else _LAST_WORD_S

    def tidy(self, world: World, pool: str, engine: Engine, living: Mapping[str, frozenset[int]], now_s: float) -> None:
        """Of attempts that are over: end what is left at the engine, and put away what their agents were told."""
        known = {attempt.id for attempt in world.attempts.values()}
        for folder in self._folders():
            if folder.name in known:
                continue
            if not has_assignment(folder):  # the disk was full, or the server killed: nobody was ever told anything
                self._drop(folder)
                continue
            if (assignment := _assignment(folder)) is None or assignment.pool != pool:
                continue
            since_s = self._remains.setdefault(folder.name, now_s)
            if folder.name not in living:
                self._put_away(folder, assignment.run)
            elif now_s - since_s >= _REMAINS_S:
                with suppress(StoreError):  # it is asked again
                    engine.kill(folder.name)

    def _folders(self) -> list[Path]:
        try:
            return list(self.folder.iterdir())
        except OSError:
            return []

    def _put_away(self, folder: Path, run: str) -> None:
        """What agents themselves had to say stays with the run; their token goes."""
        kept_in = run_folder(run).path / "agents"
        with suppress(OSError):
            kept_in.mkdir(parents=True, exist_ok=True)
            for log in folder.glob("*.log"):
                shutil.copyfile(log, kept_in / f"{folder.name}.{log.name}")
        if not self._drop(folder):
            return
        for kept in (self._asked, self._killed, self._remains, self._refusals):
            kept.pop(folder.name, None)
        self._started.discard(folder.name)
        self._told.discard(folder.name)
        self._missed = {key: at_s for key, at_s in self._missed.items() if key[0] != folder.name}

    def _drop(self, folder: Path) -> bool:
        """Remove it, at once; whether it is gone.

        Neither a server that is killed meanwhile nor an agent that comes late can leave a half of it.
        """
        aside = self.folder.with_name("agents.over")
        with suppress(OSError):
            aside.mkdir(exist_ok=True, mode=0o700)
            folder.rename(aside / folder.name)
        shutil.rmtree(aside, ignore_errors=True)
        return not folder.exists()

    def _write(self, job: JobRecord, attempt: AttemptRecord) -> list[Path]:
        """What agents find: the folder of the run, and the assignment, where the server's address may have changed.

        Returns: what is new, and not durable yet.
        """
        new, asked = [], job.job
        manifest = run_folder(job.run, self._home).manifest_file
        if not _has_content(manifest):
            num_ranks = asked.num_ranks * asked.nodes_range[1]
            create_run(list(asked.command), num_ranks, name=asked.name, run_id=job.run, is_durable=False)
            new = [manifest]
        self._hand_over(self.folder / attempt.id, self.assignment(job, attempt))
        return new

    def assignment(self, job: JobRecord, attempt: AttemptRecord) -> Assignment:
        """What its agents are told."""
        return Assignment(
            attempt=attempt.id,
            job=job.id,
            run=job.run,
            pool=attempt.pool,
            name=job.job.name,
            server=self._server,
            token=attempt_token(self._key, attempt.id),
            home=str(self._home),
            nodes=attempt.nodes,
            least_nodes=job.job.nodes_range[0] if len(attempt.shares) > 1 else 1,
            ranks=job.job.num_ranks,
            command=job.job.command,
            snapshot=job.snapshot,
            folder=job.folder,
            env={**job.job.env, variables.JOB: job.id},
            secrets=job.job.secrets,
            restarts=0 if job.parent else job.job.retries,
            takes_tasks=bool(job.parent),
            grace_s=job.job.grace_s,
            venv=job.job.venv,
            lock=job.job.lock,
        )

    def request(self, job: JobRecord, attempt: AttemptRecord, *, is_first: bool = False) -> StartRequest:
        """What the engine is told."""
        python = f"{job.job.venv}/bin/python" if job.job.venv else sys.executable
        env, sources = {"DRIVETRAIN_HOME": str(self._home)}, job.job.secrets.values()
        if ca_file := self._ca_file or os.environ.get(CA_FILE, ""):
            env[CA_FILE] = ca_file
        return StartRequest(
            attempt=attempt.id,
            job_name=job.job.name or job.id,
            pool=attempt.pool,
            shares=attempt.shares,
            agent=(python, *BEGIN, f"{self.folder}/{attempt.id}"),
            env=env,
            secrets=tuple(name for kind, _, name in (each.partition(":") for each in sources) if kind == "env"),
            max_runtime_s=job.job.max_runtime_s,
            grace_s=job.job.grace_s,
            takes_gpus=job.job.gpu_milli > 0,
            leaves_cores=job.job.gpu_milli > 0 and not job.job.cpus,
            is_first=is_first,
        )


def _has_content(path: Path) -> bool:
    """Whether there is such a file, of which the lost power has left something."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def _assignment(folder: Path) -> Assignment | None:
    try:
        return read_assignment(folder)
    except DataError:
        return None
