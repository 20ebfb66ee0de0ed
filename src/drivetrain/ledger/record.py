"""Tell the ledger what happens, from inside training: cheap, never raising, never waiting for anything but one write.

Under failure:
  1. A record that could not be written is counted, and the first one is logged.
  2. A torn one is fenced off by a line break, so that it spoils no other.
  3. SIGKILL loses nothing already recorded, because nothing is buffered.
  4. A forked child writes nothing to its parent's journal; it opens its own.
"""

from __future__ import annotations

import functools
import os
import re
import threading
from _weakrefset import WeakSet  # as `threading` does: `weakref` has more, for which agents have no time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import msgspec

from drivetrain.core.clock import Anchor, host_id, mono_ns
from drivetrain.core.leaves import PHASES
from drivetrain.ledger.journal import Header

_CLOSED = -1
_DETAILED = r"([a-z_]+)/[a-z0-9_-]{1,40}"  # init/rendezvous
_PHASE_JSON: Mapping[str, bytes] = {str(phase): b'"%s"' % phase.encode() for phase in PHASES}


class Listener(Protocol):
    """Hears of phases in the thread in which they begin and end; must not raise. See `Recorder.listener`."""

    def phase_begins(self, name: str, /) -> None:
        """A phase opens."""
        ...

    def phase_ends(self, name: str, /) -> None:
        """The phase that was opened last under this name closes."""
        ...


class Recorder:
    """One process's journal, open for writing. Any thread may call any method.

    Methods that name a rank are for supervisors; where this process is that rank, and its own supervisor, the rank may
    be left out. Times are this host's monotonic clock.

    Attributes:
      rank: whose records these are, None for a supervisor.
      num_lost_records: records that could not be written.
      listener: who is told of phases too, while steps are profiled.
      on_saved: called when a block that is the phase `checkpoint` has ended without an error.
    """

    def __init__(self, path: Path, fd: int, attempt: int, rank: int | None) -> None:
        self.path = path
        self.rank = rank
        self._attempt = attempt
        self.num_lost_records = 0
        self.listener: Listener | None = None
        self.on_saved: Callable[[], None] | None = None
        self._fd = fd
        self._fence = b""
        # Reentrant, because a signal handler may record while its own thread is inside a record.
        self._lock = threading.RLock()
        _watch_forks().add(self)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        run: str,
        attempt: int,
        rank: int | None,
        lease_ns: int,
        started_ns: int | None = None,
        again: bool = False,
    ) -> Self:
        """Start or continue a journal file; one that cannot be opened gives a recorder that counts what it loses.

        Args:
          path: the file; its folder is made.
          run: the run's id.
          attempt: which try of it, from 0.
          rank: whose records these are, None for a supervisor.
          lease_ns: how long after its last beat the supervisor is taken to live.
          started_ns: for a rank: when its process began, monotonic ns; phase `init` is open from then on.
          again: the process has been a rank of the attempt before, which it left at `started_ns`.
        """
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            continues = os.fstat(fd).st_size > 0
        except OSError as exc:
            _warn("cannot open the journal %s (%s): nothing of this process is recorded", path, exc)
            fd, continues = _CLOSED, False
        recorder = cls(path, fd, attempt, rank)
        recorder._fence = b"\n" if continues else b""  # the writer before may have been torn off
        anchor = Anchor.now()
        header = Header(run, attempt, rank, host_id(), os.getpid(), lease_ns, anchor.mono_ns, anchor.wall_ns)
        recorder._write(msgspec.json.encode(header) + b"\n")
        if rank is not None and started_ns is not None:
            if again:
                recorder._write(b'{"k":"again","t":%d}\n' % started_ns)
            recorder._write(b'{"k":"begin","t":%d,"phase":"init"}\n' % started_ns)
        return recorder

    def begin(self, phase: str, *, at_ns: int | None = None) -> None:
        """A phase opens, or has opened at `at_ns`; phases nest and may cross steps.

        Raises: ValueError: there is no such phase.
        """
        self._record(b'{"k":"begin","t":%d,"phase":%b}\n', _phase_json(phase), at_ns=at_ns)
        if self.listener is not None:
            self.listener.phase_begins(phase)

    def end(self, phase: str) -> None:
        """The phase that was opened last under this name closes. Raises ValueError: there is no such phase."""
        self._record(b'{"k":"end","t":%d,"phase":%b}\n', _phase_json(phase))
        if self.listener is not None:
            self.listener.phase_ends(phase)

    def phase(self, name: str) -> AbstractContextManager[None]:
        """The block is a phase. Raises ValueError: there is no such phase."""
        _phase_json(name)
        return _Phase(self, name)

    def step_begin(self, step: int, *, end: str | None = None) -> None:
        """A step begins; `end` names a phase that closes at this instant."""
        if end is None:
            self._record(b'{"k":"step_begin","t":%d,"step":%d}\n', step)
        else:
            self._record(b'{"k":"step_begin","t":%d,"step":%d,"end":%b}\n', step, _phase_json(end))
            if self.listener is not None:
                self.listener.phase_ends(end)

    def step_end(self, step: int, *, count: int = 1, then: str | None = None) -> None:
        """A step is done, the last of `count` since `step_begin`; `then` names a phase that opens at this instant."""
        if then is None:
            self._record(b'{"k":"step_end","t":%d,"step":%d,"count":%d}\n', step, count)
        else:
            self._record(b'{"k":"step_end","t":%d,"step":%d,"count":%d,"then":%b}\n', step, count, _phase_json(then))
            if self.listener is not None:
                self.listener.phase_begins(then)

    def commit(self, step: int, *, at_ns: int | None = None) -> None:
        """A checkpoint became complete, here or at `at_ns`, that covers all steps below this one."""
        self._record(b'{"k":"commit","t":%d,"step":%d}\n', step, at_ns=at_ns)

    def resume(self, step: int) -> None:
        """This rank goes on from this step: what it did from there on before is to be done again."""
        self._record(b'{"k":"resume","t":%d,"step":%d}\n', step)

    def skip(self, step: int) -> None:
        """The update of this step was thrown away."""
        self._record(b'{"k":"skip","t":%d,"step":%d}\n', step)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Metrics of a step, by name. A value that is not finite is read back as NaN."""
        try:
            encoded = msgspec.json.encode({name: float(value) for name, value in values.items()})
        except Exception as exc:  # noqa: BLE001 - a metric of any type may fail in any way, and must not stop training
            self._lose(exc)
        else:
            self._record(b'{"k":"log","t":%d,"step":%d,"values":%b}\n', step, encoded)

    def program(self, step: int, flops_per_step: float, peak_flops_per_s: float) -> None:
        """What the model computes in a step, on all ranks together, and what one device could do in a second."""
        values = b'{"flops_per_step":%r,"peak_flops_per_s":%r}' % (float(flops_per_step), float(peak_flops_per_s))
        self._record(b'{"k":"program","t":%d,"step":%d,"values":%b}\n', step, values)

    def submit(self) -> None:
        """The job was queued."""
        self._record(b'{"k":"submit","t":%d}\n')

    def beat(self) -> None:
        """The supervisor renews its lease."""
        self._record(b'{"k":"beat","t":%d}\n')

    def alloc(self, rank: int | None = None, devices: int = 1, *, at_ns: int | None = None) -> None:
        """The rank's devices are ours from here, or from `at_ns`."""
        self._record(b'{"k":"alloc","t":%d,"rank":%d,"devices":%d}\n', self._whose(rank), devices, at_ns=at_ns)

    def start(self, rank: int | None = None, *, at_ns: int | None = None) -> None:
        """The rank's process began here, or at `at_ns`."""
        self._record(b'{"k":"start","t":%d,"rank":%d}\n', self._whose(rank), at_ns=at_ns)

    def exit(self, rank: int | None = None, code: int = 0, *, attempt: int | None = None) -> None:
        """The rank's process ended; a negative code is a signal.

        Args:
          attempt: the one that it ended; by default the one this recorder was opened in.
        """
        of_attempt = self._attempt if attempt is None else attempt
        self._record(b'{"k":"exit","t":%d,"rank":%d,"code":%d,"attempt":%d}\n', self._whose(rank), code, of_attempt)

    def release(self, rank: int | None = None) -> None:
        """The rank's devices are given back."""
        self._record(b'{"k":"release","t":%d,"rank":%d}\n', self._whose(rank))

    def hang(self, of_rank: int) -> None:
        """The supervisor found this rank without progress."""
        self._record(b'{"k":"hang","t":%d,"of_rank":%d}\n', of_rank)

    def stop(self) -> None:
        """A person, or a scheduler, has the run end."""
        self._record(b'{"k":"stop","t":%d}\n')

    def clock(self, of: str, ahead_ns: int) -> None:
        """The supervisor measured the wall clock of host `of` to be ahead of its own by so much."""
        self._record(b'{"k":"clock","t":%d,"of":%b,"ahead_ns":%d}\n', msgspec.json.encode(of), ahead_ns)

    def close(self) -> None:
        """Write no more; twice is fine. Records after it are counted as lost."""
        with self._lock:
            fd, self._fd = self._fd, _CLOSED
            if fd != _CLOSED:
                os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _whose(self, rank: int | None) -> int | None:
        return self.rank if rank is None else rank

    def _record(self, template: bytes, *values: object, at_ns: int | None = None) -> None:
        with self._lock:
            try:
                line = template % (mono_ns() if at_ns is None else at_ns, *values)
            except (TypeError, ValueError, OverflowError) as exc:
                self._lose(exc)
            else:
                self._write(line)

    def _write(self, line: bytes) -> None:
        """One record, one write. Formatting before it is cheaper than an encoder: the shape is known."""
        if self._fence:
            line = self._fence + line
        try:
            num_written = os.write(self._fd, line)
        except OSError as exc:
            self._lose(exc)
            return
        self._fence = b""
        if num_written < len(line):
            self._fence = b"\n"
            self._lose(OSError(f"{num_written} of {len(line)} bytes were written"))

    def _lose(self, exc: Exception) -> None:
        self.num_lost_records += 1
        if self.num_lost_records == 1:
            _warn("a record for the journal %s is lost (%s); others may be, this is said once", self.path, exc)

    def _leave_to_parent(self) -> None:
        """In a forked child: the file is the parent's. The lock may be held by a thread that does not exist here."""
        self._lock = threading.RLock()
        self.close()


class _Phase:
    """A block that is a phase; a class because a generator costs a microsecond more."""

    __slots__ = ("_name", "_recorder")

    def __init__(self, recorder: Recorder, name: str) -> None:
        self._recorder = recorder
        self._name = name

    def __enter__(self) -> None:
        self._recorder.begin(self._name)

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        recorder = self._recorder
        recorder.end(self._name)
        if recorder.on_saved is not None and kind is None and self._name == "checkpoint":
            recorder.on_saved()


_current: Recorder | None = None


def set_current(recorder: Recorder | None) -> None:
    """Make this the recorder that `phase` writes to in this process; None for no recorder."""
    global _current
    _current = recorder


def current() -> Recorder | None:
    """The recorder of this process, if any; never the one of a process that forked this one."""
    return _current


def phase(name: str) -> AbstractContextManager[None]:
    """The block is a phase of this process's run; without a run nothing is recorded.

    Raises: ValueError: there is no such phase; the message lists those there are.
    """
    if _current is not None:
        return _current.phase(name)
    _phase_json(name)
    return nullcontext()


def _phase_json(name: str) -> bytes:
    return _PHASE_JSON.get(name) or _detailed_json(name)


@functools.lru_cache(maxsize=256)
def _detailed_json(name: str) -> bytes:
    match = re.fullmatch(_DETAILED, name)
    if match is None or match[1] not in _PHASE_JSON:
        raise ValueError(f"{name!r} is no phase; phases are {', '.join(_PHASE_JSON)}, or one of them with /detail")
    return b'"%s"' % name.encode()


@functools.cache
def _watch_forks() -> WeakSet[Recorder]:
    """The recorders that a forked child must let go of; the first call asks to be told of forks."""
    recorders: WeakSet[Recorder] = WeakSet()

    def let_go() -> None:
        for recorder in recorders:
            recorder._leave_to_parent()
        set_current(None)

    os.register_at_fork(after_in_child=let_go)
    return recorders


def _warn(message: str, *values: object) -> None:
    import logging

    logging.getLogger(__name__).warning(message, *values)
