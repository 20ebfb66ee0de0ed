"""Runs one order of a suite in a fresh process, and tells what came of it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec

from drivetrain.core import variables
from drivetrain.core.units import bytes_text, count_text

_GUARD, _SAMPLE = (str(Path(__file__).with_name(name)) for name in ("guard.py", "sample.py"))
_GRACE_S = 15.0  # for a guard to end all that is below it
_LOG_BYTES = 1 << 20  # of what one process prints
_PIECE_BYTES = 1 << 16
_OF_A_RANK = frozenset({variables.RUN, variables.ATTEMPT, variables.TRIAL, variables.FAULT, variables.MEETING})

Mode = Literal["list", "time", "allocations"]
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
      mode: list the cases, or measure one.
      case: the function, without its prefix; None to list.
      params: for it.
      budget_s: about how long a quick call is repeated.
      counts_instructions: whether the machine can.
    """

    suite: Path
    module: str
    paths: tuple[str, ...]
    mode: Mode
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
    """

    report: dict[str, Any] | None
    troubles: tuple[Trouble, ...]


def carry_out(order: Order, limits: Limits, *, folder: Path, log: Path, seed: int = 0) -> Outcome:
    """Carry out an order in a fresh process; when this returns or raises, nothing of it runs any more.

    Args:
      folder: the process's working directory, which exists.
      log: what the process and all below it print is added here.
      seed: of Python's hashes, so that both processes of a pair have the same.
    """
    report, end = (folder.with_name(f"{folder.name}.{name}") for name in ("report", "end"))
    for left in (report, end, Path(f"{report}.copy")):
        left.unlink(missing_ok=True)
    words = msgspec.json.encode(_described(order, limits, report)).decode()
    with log.open("ab") as output:
        guard = subprocess.Popen(
            [sys.executable, "-S", "-E", "-P", _GUARD, words, str(end)],
            cwd=folder,
            env=_environment(limits, seed, folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        with guard:
            try:
                num_lines = _listen(guard, output, limits.limit_s + _GRACE_S)
            finally:
                _end(guard)
    if not log.stat().st_size:
        log.unlink()
    return _judge(_read(report), _read(end), Path(f"{report}.copy").exists(), limits, num_lines)


def _listen(guard: subprocess.Popen[bytes], output: BinaryIO, limit_s: float) -> int:
    """Write down what is printed, up to a size, until the guard ends or the time is up; how many lines it was."""
    assert guard.stdout is not None
    pipe, life = guard.stdout.fileno(), os.pidfd_open(guard.pid)
    os.set_blocking(pipe, False)
    num_lines, room_bytes, until_s = 0, _LOG_BYTES, time.monotonic() + limit_s
    try:
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        poll.register(life, select.POLLIN)
        while (left_s := until_s - time.monotonic()) > 0:
            ready = dict(poll.poll(left_s * 1000))
            data = os.read(pipe, _PIECE_BYTES) if ready.get(pipe, 0) & select.POLLIN else b""
            num_lines += data.count(b"\n")
            output.write(data[:room_bytes])
            room_bytes -= min(room_bytes, len(data))
            if ready.get(pipe, 0) & ~select.POLLIN and not data:
                poll.unregister(pipe)
            if life in ready and not data:
                break
    finally:
        os.close(life)
    if not room_bytes:
        output.write(b"\n... more was printed, and left out\n")
    return num_lines


def _described(order: Order, limits: Limits, report: Path) -> dict[str, Any]:
    return {
        "program": _SAMPLE,
        "report": str(report),
        "limit_s": limits.limit_s,
        "memory_bytes": limits.memory_bytes,
        "cores": limits.cores,
        "suite": str(order.suite),
        "module": order.module,
        "paths": order.paths,
        "mode": order.mode,
        "case": order.case,
        "params": order.params,
        "budget_s": order.budget_s,
        "counts_instructions": order.counts_instructions,
    }


def _environment(limits: Limits, seed: int, folder: Path) -> dict[str, str]:
    """Ours, with as many threads as cores, a store of its own, and none of what an outer run tells its ranks."""
    kept = {name: value for name, value in os.environ.items() if name not in _OF_A_RANK}
    threads = {"OMP_NUM_THREADS": str(len(limits.cores))} if limits.cores else {}
    return kept | threads | {"PYTHONHASHSEED": str(seed), variables.HOME: str(folder / ".drivetrain")}


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
    report: dict[str, Any] | None, ended: dict[str, Any] | None, has_copy: bool, limits: Limits, num_lines: int
) -> Outcome:
    troubles: list[Trouble] = []
    ended = ended or {}
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
