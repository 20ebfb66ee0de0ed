"""Runs orders of a suite in fresh processes, and tells what came of them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from drivetrain.core import variables
from drivetrain.core.units import bytes_text, count_text

_GUARD, _SAMPLE = (str(Path(__file__).with_name(name)) for name in ("guard.py", "sample.py"))
_GRACE_S = 15.0  # for a guard to end all that is below it
_LOG_BYTES = 1 << 20  # of what one process prints
_PIECE_BYTES = 1 << 16
_OF_A_RANK = frozenset({variables.RUN, variables.ATTEMPT, variables.TRIAL, variables.FAULT, variables.MEETING})

TroubleKind = Literal["failed", "hung", "memory", "killed", "leaked", "forked", "printed", "unsettled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a process of a suite may use.

    Attributes:
      limit_s: wall time.
      memory_bytes: private memory of each process.
      cores: that it is pinned to; empty for any.
    """

    limit_s: float
    memory_bytes: int
    cores: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a process is to do.

    Attributes:
      suite: file.
      module: what the file is called when it is imported.
      paths: put before all others that modules are looked for in.
      case: the function, without its prefix; None to list.
      params: for it.
      budget_s: about how long a quick call is repeated.
      counts_instructions: whether the machine can.
    """

    suite: Path
    module: str
    paths: tuple[str, ...]
    case: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    budget_s: float = 0.5
    counts_instructions: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that a process did and should not have.

    Attributes:
      kind: of it; one that only `printed`, or never settled, has measured all the same.
      why: in words, for people.
    """

    kind: TroubleKind
    why: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an order.

    Attributes:
      report: what the process found; None where it found nothing.
      troubles: what went wrong, or was noticed.
      took_turns: whether another was under way at the same time, so that either may have waited in vain for the other.
    """

    report: dict[str, Any] | None
    troubles: tuple[Trouble, ...]
    took_turns: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """An order with its surroundings.

    Attributes:
      order: what to do.
      limits: what it may use.
      folder: the process's working directory, which exists.
      report: file that what it found is written to, and others that begin so; no other job has it at that time.
      log: what the process and all below it print is added here.
      seed: of Python's hashes, so that both processes of a pair have the same.
    """

    order: Order
    limits: Limits
    folder: Path
    report: Path
    log: Path
    seed: int = 0


def carry_out(*jobs: Job) -> list[Outcome]:
    """Carry out one job, or two that take turns, each in a fresh process; afterwards nothing of them runs any more.

    The second of two starts when the first is ready to be measured. From then on only one of them works at a time, for
    two batches of calls in turn, so that whatever else the machine does hits both. Cases that measure for themselves,
    or make steps, run one after the other.
    """
    with ExitStack() as stack:
        batons = _batons(stack) if len(jobs) == 2 else [((), None)]
        running: list[_Running] = []
        for job, (baton, is_ready) in zip(jobs, batons, strict=True):
            may_wait = is_ready is not None or any(each.guard.poll() is None for each in running)
            running.append(stack.enter_context(_Running(job, baton, may_wait=may_wait, goes_first=not running)))
            for descriptor in baton:
                os.close(descriptor)
            _listen(running, is_ready)
        took_turns = len(running) == 2 and running[1].may_wait
    return [each.outcome(took_turns=took_turns) for each in running]


def _batons(stack: ExitStack) -> list[tuple[tuple[int, ...], int | None]]:
    """For each of two: its descriptors to take and to give the baton with, and the one that tells when it is ready."""
    (second_takes, first_gives), (first_takes, second_gives) = os.pipe(), os.pipe()
    is_ready = os.dup(second_takes)
    stack.callback(os.close, is_ready)
    return [((first_takes, first_gives), is_ready), ((second_takes, second_gives), None)]


class _Running:
    """A guard and what it prints."""

    def __init__(self, job: Job, baton: tuple[int, ...], *, may_wait: bool, goes_first: bool) -> None:
        self.job, self.may_wait, self.is_late = job, may_wait, False
        self._end, self._copy = Path(f"{job.report}.end"), Path(f"{job.report}.copy")
        for left in (job.report, self._end, self._copy):
            left.unlink(missing_ok=True)
        limit_s = job.limits.limit_s * (1 + may_wait)  # for as long as the other may take
        order = {
            **asdict(job.limits),
            **asdict(job.order),
            "limit_s": limit_s,
            "baton": baton,
            "goes_first": goes_first,
        }
        order |= {"program": _SAMPLE, "report": str(job.report)}
        words = msgspec.json.encode(order, enc_hook=str).decode()
        self.ready_until_s = time.monotonic() + job.limits.limit_s
        self.until_s = time.monotonic() + limit_s + _GRACE_S
        job.folder.mkdir(exist_ok=True)  # an earlier sample may have removed it
        self.log = job.log.open("ab")
        self.guard = subprocess.Popen(
            [sys.executable, "-S", "-E", "-P", _GUARD, words, str(self._end)],
            cwd=job.folder,
            env=_environment(job.limits, job.seed, job.folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=baton,
        )
        assert self.guard.stdout is not None
        self.pipe, self.life = self.guard.stdout.fileno(), os.pidfd_open(self.guard.pid)
        os.set_blocking(self.pipe, False)
        self.num_lines, self.room_bytes = 0, _LOG_BYTES

    def __enter__(self) -> _Running:
        return self

    def __exit__(self, *_: object) -> None:
        _end(self.guard)
        while self.read():
            pass
        if not self.room_bytes:
            self.log.write(b"\n... more was printed, and left out\n")
        os.close(self.life)
        self.log.close()
        self.guard.__exit__(None, None, None)

    def read(self) -> bool:
        """Write down what was printed, up to a size; whether there was anything."""
        try:
            data = os.read(self.pipe, _PIECE_BYTES)
        except BlockingIOError:
            return False
        self.num_lines += data.count(b"\n")
        self.log.write(data[: self.room_bytes])
        self.room_bytes -= min(self.room_bytes, len(data))
        return bool(data)

    def outcome(self, *, took_turns: bool) -> Outcome:
        """What came of it."""
        report, end = _read(self.job.report), _read(self._end) or {}
        end |= {"is_late": end.get("is_late") or self.is_late}
        found = _judge(report, end, self._copy.exists(), self.job.limits, self.num_lines)
        return replace(found, took_turns=took_turns)


def _listen(running: Sequence[_Running], is_ready: int | None) -> None:
    """Write down what is printed until all have ended or time is up; or until the first is ready, if it ever is."""
    poll = select.poll()
    pipes, lives = {each.pipe: each for each in running}, {each.life: each for each in running}
    for descriptor in (*pipes, *lives, *(() if is_ready is None else (is_ready,))):
        poll.register(descriptor, select.POLLIN)
    until_s = running[0].ready_until_s if is_ready is not None else min(each.until_s for each in running)
    while lives and (left_s := until_s - time.monotonic()) > 0:
        for descriptor, _ in poll.poll(left_s * 1000):
            if descriptor in pipes and not pipes[descriptor].read():
                poll.unregister(descriptor)
            elif descriptor in lives:
                poll.unregister(descriptor)
                del lives[descriptor]
            elif descriptor == is_ready:
                return
    if lives and is_ready is not None:
        running[0].is_late = True
        _end(running[0].guard)


def _environment(limits: Limits, seed: int, folder: Path) -> dict[str, str]:
    """Ours, with as many threads as cores, a folder for what it leaves, and none of what a launcher tells its ranks."""
    kept = {name: value for name, value in os.environ.items() if name not in _OF_A_RANK}
    threads = {"OMP_NUM_THREADS": str(len(limits.cores))} if limits.cores else {}
    own = {"PYTHONHASHSEED": str(seed), variables.HOME: str(folder / ".drivetrain"), "TMPDIR": str(folder)}
    return kept | threads | own


def _end(guard: subprocess.Popen[bytes]) -> None:
    """Have a guard end what is below it, and end; by force where it does not."""
    if guard.poll() is not None:
        return
    guard.terminate()
    try:
        guard.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(guard.pid, signal.SIGKILL)  # its sample is bound to its life
        guard.wait()


def _read(file: Path) -> dict[str, Any] | None:
    """JSON that a process has written; a suite can write there too, so nothing is taken for granted."""
    try:
        found = msgspec.json.decode(file.read_bytes())
    except (OSError, msgspec.DecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _judge(
    report: dict[str, Any] | None, ended: dict[str, Any], has_copy: bool, limits: Limits, num_lines: int
) -> Outcome:
    troubles: list[Trouble] = []
    num_left, threads = int(ended.get("num_left") or 0), (report or {}).get("threads") or []
    if ended.get("is_late"):
        troubles.append(Trouble("hung", f"it did not end within {limits.limit_s:g} s and was killed"))
    elif report is None:
        troubles.append(_killed(ended.get("code"), limits))
    elif "failure" in report:
        is_memory = report.get("kind") == "MemoryError"
        why = f"{report['failure']}: it may hold {bytes_text(limits.memory_bytes)}" if is_memory else report["failure"]
        troubles.append(Trouble("memory" if is_memory else "failed", why))
    if has_copy:
        troubles.append(Trouble("forked", "a copy of its process came back from the function: the fork never exits"))
    if num_left:
        troubles.append(
            Trouble("leaked", f"it left {count_text(num_left, 'process', 'processes')} running, killed since")
        )
    if threads:
        names = ", ".join(map(str, threads))[:200]
        troubles.append(Trouble("leaked", f"it left {count_text(len(threads), 'thread')} running: {names}"))
    is_whole = report is not None and "failure" not in report
    if num_lines and is_whole:
        troubles.append(Trouble("printed", f"it printed {count_text(num_lines, 'line')}, kept from ours"))
    return Outcome(report if is_whole else None, tuple(troubles))


def _killed(code: object, limits: Limits) -> Trouble:
    """It ended without a report."""
    if isinstance(code, int) and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return Trouble("killed", f"it was ended by {name}; each process may hold {bytes_text(limits.memory_bytes)}")
    if code is None:
        return Trouble("killed", "it and the process that watches it were ended, by itself or from outside")
    return Trouble("failed", f"it left with exit code {code} before the function had returned")
