"""From the assignment to the last word."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from drivetrain.compute.agent.assignment import Assignment
from drivetrain.compute.agent.beats import Beats
from drivetrain.compute.agent.client import GONE, AgentClient, ServerAwayError, ServerRefusedError
from drivetrain.compute.snapshot import CodeShelf, decode_manifest, unpack
from drivetrain.core import variables
from drivetrain.core.errors import DrivetrainError, StoreError, UsageError
from drivetrain.core.units import NS_PER_S
from drivetrain.launch import Launcher, LaunchSpec, Progress, is_claimed, spares
from drivetrain.launch.prctl import adopt_orphans
from drivetrain.store import run_folder

if TYPE_CHECKING:
    from drivetrain.compute.agent.shipping import Shipping

T = TypeVar("T")

_PATIENCE_S = 24 * 3600.0
_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0
_GRACE_S = 3.0
_PREDECESSOR_S = 600.0
_GATHER_NS = 3 * NS_PER_S  # a gang's nodes are started together, and a busy one is a while behind
_LEFT = 143
_BUG = 70


class _LeaveError(BaseException):
    """SIGTERM came before ranks had begun, whose launcher then knows better what to do with it."""


class Agent:
    """Does one assignment as one member of its gang.

    1. It begins nothing until the server has said that the attempt still is to be: one that a controller has given up
       meanwhile, or that was started twice, ends without a trace.
    2. From then on it needs the server no more: it goes on while that is away, and looks for it at the address that
       the assignment has then.
    3. How it ended is said last, after all that ranks wrote has been sent.
    4. Told to leave, by the engine or the server or both, ranks have the whole grace of the job.

    Args:
      client: that may have begun to beat.
      make_client: another one, for another thread.
    """

    def __init__(self, assignment: Assignment, client: AgentClient, make_client: Callable[[], AgentClient]) -> None:
        self._do, self._client, self._make_client = assignment, client, make_client
        os.environ[variables.HOME] = assignment.home
        self._run = run_folder(self._do.run)
        self._step: int | None = None
        self._saved_step: int | None = None
        self._stepped_s = 0.0
        self._words = ""
        self._begun_s = time.monotonic()
        self._over_s: float | None = None

    def work(self) -> int:
        """To the end of the ranks, and until the server knows of it; their exit code, or one that tells what failed."""
        signal.signal(signal.SIGTERM, _leave)
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            adopt_orphans()
            if not persistently(self._may_begin):
                return _LEFT
            exit_code = self._launched()
        except _LeaveError:
            exit_code = _LEFT
        except ServerRefusedError as exc:
            _say(exc.message)
            return _LEFT
        except DrivetrainError as exc:
            self._tell(exc.message, exc.hint)
            exit_code = exc.exit_code
        except Exception as exc:  # noqa: BLE001 - the edge: a bug in ours must not look like a lost node
            import traceback

            traceback.print_exc()
            self._tell(f"a bug in drivetrain: {exc!r}")
            exit_code = _BUG
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        spares.drop()
        from drivetrain.compute.agent.leftovers import end_descendants

        end_descendants(_GRACE_S)
        self._last_word(exit_code)
        return exit_code

    def _may_begin(self) -> bool:
        try:
            leave = self._client.beat(step=None, saved_step=None)
        except ServerRefusedError as exc:
            if exc.status not in GONE:
                raise
            leave = exc.message
        if leave is not None:
            _say(f"not begun: {leave}")
        return leave is None

    def _launched(self) -> int:
        self._begun_s = time.monotonic()
        shipping = self._shipping()
        with Beats(self._client, self._how_far, shipping):
            exit_code = self._launch(self._spec())
            self._over_s = time.monotonic()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # nothing is left that could leave
        while shipping is not None and not persistently(lambda: shipping.send(self._client)):
            pass
        return exit_code

    def _spec(self) -> LaunchSpec:
        do = self._do
        folder = self._code()
        command, env = do.command, dict(do.env)
        if do.lock:
            from drivetrain.compute.agent.environment import environment_of, inside

            command, env = inside(environment_of(folder / do.lock, Path(do.home) / "envs"), command, env)
        return LaunchSpec(
            command=command,
            num_ranks=do.ranks,
            num_nodes=len(do.nodes),
            min_nodes=do.least_nodes,
            gather_ns=_GATHER_NS,
            restarts=do.restarts,
            leave_ns=round(do.grace_s * NS_PER_S),
            env={**env, **secrets_of(do.secrets, os.environ)},
            cwd=folder,
        )

    def _code(self) -> Path:
        """The folder where ranks run, with the code in it."""
        do = self._do
        if not do.snapshot:
            return Path(do.folder)
        folder = Path(do.home) / "work" / do.job
        shelf = CodeShelf(Path(do.home) / "server")  # where this node sees the server's disk
        manifest, read = self._asked(shelf.manifest, self._client.snapshot), self._asked(shelf.blob, self._client.blob)
        unpack(decode_manifest(manifest(do.snapshot)), folder, read)
        ranks_folder = folder / do.folder
        ranks_folder.mkdir(parents=True, exist_ok=True)  # one without a file is not in the snapshot
        return ranks_folder

    @staticmethod
    def _asked(near: Callable[[str], bytes], far: Callable[[str], bytes]) -> Callable[[str], bytes]:
        def read(name: str) -> bytes:
            try:
                return near(name)
            except StoreError:
                return persistently(lambda: far(name))

        return read

    def _launch(self, spec: LaunchSpec) -> int:
        if self._do.takes_tasks:
            from drivetrain.compute.agent.tasks import TaskWorker

            client = self._make_client()  # of its own, since beats go on in another thread
            worker = TaskWorker(
                spec, self._run, lambda results: persistently(lambda: client.tasks(results, spec.num_ranks))
            )
            return worker.work()
        if len(self._do.nodes) == 1:
            return self._lead(spec, "")
        from drivetrain.launch import run_together

        return run_together(
            self._do.attempt, spec, lambda _: self._lead(spec, self._do.attempt), run=self._run.id, on_note=_say
        )

    def _lead(self, spec: LaunchSpec, meet: str) -> int:
        self._await_predecessor()
        launcher = Launcher(spec, self._run, output=_drop, on_progress=self._see, on_note=_say, meet=meet)
        outcome = launcher.run()
        if outcome.exit_code:
            self._tell(outcome.reason, outcome.hint)
        return outcome.exit_code

    def _await_predecessor(self) -> None:
        """Until the attempt before has left, as it is told to as soon as it hears of the server again."""
        until_s = time.monotonic() + _PREDECESSOR_S
        if is_claimed(self._run):
            _say("an earlier attempt is still here: this one begins when it has left")
        while is_claimed(self._run) and time.monotonic() < until_s:
            time.sleep(_PAUSE_S)

    def _see(self, progress: Progress) -> None:
        if progress.step != self._step:
            self._step, self._stepped_s = progress.step, time.monotonic()
        if progress.saved_step is not None:
            self._saved_step = progress.saved_step

    def _how_far(self) -> tuple[int | None, int | None]:
        """The last step done, and what is saved: as ranks recorded it, wherever it lies; else as it lies in the run."""
        if self._saved_step is not None or not self._run.checkpoints.is_dir():
            return self._step, self._saved_step
        from drivetrain.store import LocalShelf

        steps = LocalShelf(self._run.checkpoints).steps()
        return self._step, max(steps, default=None)

    def _shipping(self) -> Shipping | None:
        """Needed where this node does not see the run."""
        if self._run.manifest_file.is_file():
            return None
        from drivetrain.compute.agent.shipping import Shipping

        return Shipping(self._run.path)

    def _tell(self, words: str, hint: str = "") -> None:
        self._words = words
        _say(f"{words}\n{hint}".strip())

    def _last_word(self, exit_code: int) -> None:
        over_s = self._over_s or time.monotonic()
        step, saved_step = self._how_far()

        def say() -> None:
            now_s = time.monotonic()
            self._client.exited(
                exit_code,
                self._words,
                ago_s=now_s - over_s,
                begun_ago_s=now_s - self._begun_s,
                step=step,
                saved_step=saved_step,
                stepped_ago_s=now_s - (self._stepped_s or now_s),
            )

        try:
            persistently(say)
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


def _leave(signum: int, frame: object) -> None:  # noqa: ARG001 - signal's signature
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the engine says it, and the server too
    raise _LeaveError


def _say(text: str) -> None:
    with suppress(OSError):  # whoever read it may have been killed
        print(text, flush=True)


def _drop(rank: int, stream: str, data: bytes) -> None:
    """Ranks' output is kept in files of the run already."""
