"""From the assignment to the last word: `python -m drivetrain.compute.agent.main FOLDER MEMBER`."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from drivetrain.compute.agent.assignment import Assignment, read_assignment
from drivetrain.compute.agent.beats import Beats
from drivetrain.compute.agent.claim import claim, claim_file
from drivetrain.compute.agent.client import AgentClient, ServerAwayError
from drivetrain.compute.agent.shipping import Shipping
from drivetrain.compute.agent.tasks import TaskWorker
from drivetrain.compute.snapshot import decode_manifest, unpack
from drivetrain.core import variables
from drivetrain.core.errors import DrivetrainError, StoreError, UsageError
from drivetrain.launch import Launcher, LaunchSpec, Progress, run_together
from drivetrain.store import LocalShelf, run_folder

T = TypeVar("T")

_PATIENCE_S = 24 * 3600.0
_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0


class Agent:
    """Does one assignment as one member of its gang."""

    def __init__(self, assignment: Assignment, member: int) -> None:
        self._do, self._member = assignment, member
        os.environ[variables.HOME] = assignment.home
        self._client = self._make_client()
        self._run = run_folder(assignment.run)
        self._step: int | None = None

    def work(self) -> int:
        """To the end of the ranks; their exit code. What goes wrong is told as one, too."""
        try:
            spec = self._spec()
            with Beats(self._client, self._how_far, self._shipping()):
                exit_code = self._launch(spec)
        except DrivetrainError as exc:
            print(f"error: {exc}", flush=True)
            exit_code = exc.exit_code
        self._last_word(exit_code)
        return exit_code

    def _make_client(self) -> AgentClient:
        do = self._do
        return AgentClient(do.server, do.token, do.attempt, self._member)

    def _spec(self) -> LaunchSpec:
        do = self._do
        return LaunchSpec(
            command=do.command,
            num_ranks=do.ranks,
            num_nodes=len(do.shares),
            min_nodes=do.least_nodes,
            restarts=do.restarts,
            env={**do.env, **self._devices(), **secrets_of(do.secrets, os.environ)},
            cwd=self._code(),
        )

    def _code(self) -> Path:
        """The folder where ranks run, with the code in it."""
        do = self._do
        if not do.snapshot:
            return Path(do.folder)
        folder = self._run.path.parent.parent / "work" / do.job
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_suffix(".lock").open("w") as lock:  # agents of several nodes may share this disk
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.is_dir():
                manifest = decode_manifest(persistently(lambda: self._client.snapshot(do.snapshot)))
                unpack(manifest, folder, lambda sha256: persistently(lambda: self._client.blob(sha256)))
        return folder / do.folder

    def _devices(self) -> Mapping[str, str]:
        share = self._do.shares[self._member]
        if not share.milli or self._do.gpu in ("", "cpu"):
            return {}
        return {"CUDA_VISIBLE_DEVICES": ",".join(str(device) for device, _ in share.milli)}

    def _launch(self, spec: LaunchSpec) -> int:
        if self._do.takes_tasks:
            client = self._make_client()  # of its own, since beats go on in another thread
            worker = TaskWorker(
                spec, self._run, lambda results: persistently(lambda: client.tasks(results, spec.num_ranks))
            )
            return worker.work()
        if len(self._do.shares) == 1:
            return self._lead(spec, "")
        return run_together(
            self._do.attempt, spec, lambda _: self._lead(spec, self._do.attempt), run=self._run.id, on_note=_say
        )

    def _lead(self, spec: LaunchSpec, meet: str) -> int:
        launcher = Launcher(spec, self._run, output=_drop, on_progress=self._see, on_note=_say, meet=meet)
        outcome = launcher.run()
        if outcome.exit_code:
            _say(f"{outcome.reason}\n{outcome.hint}".strip())
        return outcome.exit_code

    def _see(self, progress: Progress) -> None:
        self._step = progress.step

    def _how_far(self) -> tuple[int | None, int | None]:
        steps = LocalShelf(self._run.checkpoints).steps()
        return self._step, max(steps, default=None)

    def _shipping(self) -> Shipping | None:
        return None if self._sees_home() else Shipping(self._run.path)

    def _sees_home(self) -> bool:
        return self._run.manifest_file.is_file()

    def _last_word(self, exit_code: int) -> None:
        try:
            persistently(lambda: self._client.exited(exit_code))
        except StoreError as exc:
            _say(exc.message)
        self._client.close()


def persistently(ask: Callable[[], T]) -> T:
    """Ask until the server answers, for a day. Raises: ServerAwayError, ServerRefusedError."""
    until_s = time.monotonic() + _PATIENCE_S
    pause_s = _PAUSE_S
    while True:
        try:
            return ask()
        except ServerAwayError:
            if time.monotonic() > until_s:
                raise
        time.sleep(pause_s)
        pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)


def secrets_of(sources: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Variable -> its value, found on this node. Raises: UsageError: it is not there; no value is ever named."""
    found = {}
    for variable, source in sources.items():
        kind, _, name = source.partition(":")
        try:
            found[variable] = environment[name] if kind == "env" else Path(name).read_text(encoding="utf-8").strip()
        except (KeyError, OSError, UnicodeDecodeError) as exc:
            raise UsageError(f"the secret {variable} is not on this node, at {kind}:{name}") from exc
    return found


def _say(text: str) -> None:
    print(text, flush=True)


def _drop(rank: int, stream: str, data: bytes) -> None:
    """Ranks' output is kept in files of the run already."""


def main(folder: str, member: int) -> int:
    """Be the agent of a member, unless another process is."""
    if claim(claim_file(Path(folder), member)) is None:
        return 0
    return Agent(read_assignment(Path(folder)), member).work()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
