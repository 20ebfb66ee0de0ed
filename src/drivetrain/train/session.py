"""Whose run this process belongs to: a launcher's, one shared by ranks that torchrun started, or one of its own."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from drivetrain.core import clock, environment, variables
from drivetrain.core.errors import UsageError
from drivetrain.core.units import NS_PER_S
from drivetrain.core.variables import whole_number
from drivetrain.ledger import Recorder, set_current
from drivetrain.store import RunFolder, create_run, list_runs, run_folder
from drivetrain.train.exits import INTERRUPTED
from drivetrain.train.settings import Settings
from drivetrain.train.topology import Topology

T = TypeVar("T")

_OWN_LEASE_NS = 10 * NS_PER_S
_BEAT_S = 1.0
_free_since_ns = 0  # when the last run of this process ended: its time belongs to one run at a time


class Wanted(Protocol):
    """What a run of our own is made with."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def plain(self) -> dict[str, object]:
        """The choices as JSON has them."""
        ...


class Ranks(Protocol):
    """This process among the others, see `Topology`."""

    @property
    def rank(self) -> int:
        """Its index among all."""
        ...

    @property
    def world_size(self) -> int:
        """How many there are."""
        ...

    def on_main(self, act: Callable[[], T]) -> T:
        """Rank 0 acts; every rank gets its result. Collective."""
        ...


@dataclass(slots=True)
class Session:
    """One rank's part in a run.

    Attributes:
      folder: where the run leaves what it makes.
      attempt: which try of the run this is, from 0.
      recorder: this rank's journal; `dt.phase` writes to it too.
    """

    folder: RunFolder
    attempt: int
    recorder: Recorder
    _lease: Lease | None

    @property
    def is_watched(self) -> bool:
        """Whether a launcher writes how the process began and ended."""
        return self._lease is None

    def close(self, exit_code: int) -> None:
        """End the rank's part; where nobody watches it, also write that it ended."""
        global _free_since_ns
        if self._lease is not None:
            self._lease.stop()
            if exit_code == INTERRUPTED:
                self.recorder.stop()
            self.recorder.exit(code=exit_code)
            self.recorder.release()
        set_current(None)
        self.recorder.close()
        _free_since_ns = clock.mono_ns()


class Lease:
    """Beats in the background, so that a reader can tell a run that goes on from one whose process is gone."""

    def __init__(self, beat: Callable[[], None]) -> None:
        self._beat = beat
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drivetrain-lease", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; returns when it has ended."""
        self._stopped.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopped.wait(_BEAT_S):
            self._beat()


def refuse_second(topology: Ranks, env: Mapping[str, str] = os.environ) -> None:
    """A rank that a launcher started has one run: a second would go on from the checkpoints of the first.

    Raises: UsageError: this attempt of this rank has a journal already.
    """
    if variables.RUN in env:
        folder = _launched(env[variables.RUN])
        if folder.rank_journal(whole_number(env, variables.ATTEMPT, 0), topology.rank).exists():
            raise UsageError(
                f"rank {topology.rank} made a second dt.Run, but what `drivetrain run` starts is one run",
                hint="start each run with a `drivetrain run` of its own",
            )


def open_session(settings: Wanted, topology: Ranks, env: Mapping[str, str] = os.environ) -> Session:
    """Find or make the run and open this rank's journal. Collective, unless a launcher has named the run.

    Raises: UsageError: the launcher's variables are not what a launcher sets, or name no run.
    """
    is_watched = variables.RUN in env
    if is_watched:
        folder = _launched(env[variables.RUN])
        attempt = whole_number(env, variables.ATTEMPT, 0)
        started_ns = whole_number(env, variables.STARTED_NS, clock.mono_ns())
        lease_ns = whole_number(env, variables.LEASE_NS, _OWN_LEASE_NS)
    else:
        folder = RunFolder(Path(topology.on_main(lambda: str(_own(settings, topology, env).path))))
        attempt = whole_number(env, "TORCHELASTIC_RESTART_COUNT", 0)
        started_ns, lease_ns = max(_process_started_ns(), _free_since_ns), _OWN_LEASE_NS
    recorder = Recorder.open(
        folder.rank_journal(attempt, topology.rank),
        run=folder.id,
        attempt=attempt,
        rank=topology.rank,
        lease_ns=lease_ns,
        started_ns=started_ns,
        again=is_watched and variables.AGAIN in env,
    )
    set_current(recorder)
    if is_watched:
        return Session(folder, attempt, recorder, None)
    recorder.alloc(at_ns=started_ns)
    recorder.start(at_ns=started_ns)
    recorder.beat()
    return Session(folder, attempt, recorder, Lease(recorder.beat))


def begin(settings: Settings, topology: Topology) -> Session:
    """Open the session and join the other ranks. Collective.

    A launched rank opens it first, so that the ledger sees it wait for the others.
    """
    refuse_second(topology)
    if variables.RUN not in os.environ:
        topology.join()
        try:
            return open_session(settings, topology)
        except BaseException:
            topology.leave()
            raise
    session = open_session(settings, topology)
    try:
        with session.recorder.phase("init/rendezvous"):
            topology.join()
    except BaseException:
        session.close(1)
        raise
    return session


def _launched(run_id: str) -> RunFolder:
    folder = run_folder(run_id)
    if not folder.manifest_file.is_file():
        raise UsageError(
            f"{variables.RUN} is {run_id!r}, but {folder.path} is no run",
            hint=f"unset {variables.RUN}, or start with `drivetrain run --ranks N -- python train.py`",
        )
    return folder


def _own(settings: Wanted, topology: Ranks, env: Mapping[str, str]) -> RunFolder:
    """A new run; or, where torchrun has restarted the ranks, the one that its first try made."""
    config = settings.plain() | {"torchelastic_run_id": env.get("TORCHELASTIC_RUN_ID", "")}
    if whole_number(env, "TORCHELASTIC_RESTART_COUNT", 0):
        for manifest in list_runs():
            if manifest.config.get("torchelastic_run_id") == config["torchelastic_run_id"]:
                return run_folder(manifest.id)
    command = [sys.executable, *sys.argv]
    return create_run(
        command, topology.world_size, name=settings.name, environment=environment.capture(), config=config
    )


def _process_started_ns() -> int:
    """When this process began, monotonic ns; now, where the system does not tell."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        started_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")  # since boot, asleep or not
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - started_s
    except (OSError, ValueError, IndexError, AttributeError):
        age_s = 0.0
    return clock.mono_ns() - max(round(age_s * NS_PER_S), 0)
