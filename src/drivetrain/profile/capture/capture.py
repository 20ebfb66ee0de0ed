"""One rank's profile of some steps, from the step before the first to the files."""

from __future__ import annotations

import enum
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from statistics import median

import msgspec
import torch

from drivetrain.core.clock import mono_ns
from drivetrain.core.errors import DrivetrainError, StoreError
from drivetrain.core.profiling import ProfileSpec, Subject
from drivetrain.profile.capture import files, pace
from drivetrain.profile.capture.program import ProgramMeter
from drivetrain.profile.capture.recording import Recording
from drivetrain.store import publish_bytes
from drivetrain.store.captures import Captured, captured_file, read_captured, stem

logger = logging.getLogger(__name__)

_PHASE = "eval/profile"  # of the ledger: measuring the model, not changing it


class _State(enum.Enum):
    """waiting -> warming -> recording -> halted -> writing -> ended; warming and halted may be left out.

    A recording that comes to its end is written at once; one that was halted waits for `close` to say whether. Any
    state -> ended where something fails.
    """

    WAITING = enum.auto()
    WARMING = enum.auto()
    RECORDING = enum.auto()
    HALTED = enum.auto()
    WRITING = enum.auto()
    ENDED = enum.auto()


class Capture:
    """One rank's, of one row of steps; which call comes when says `core.protocols.Profiler`.

    1. The step before the first warms the profiler up, and in it the model's arithmetic is counted. Where the first
       begins at once, nothing is warm, and the step after the last is counted.
    2. Files appear whole or not at all, `Captured` last; a process that is killed leaves hidden ones, which the next
       process of its rank deletes.
    3. Whatever fails here is told once, as a warning; training goes on as if nothing had been asked.
    4. What nobody waits for any more is not written.

    Attributes:
      is_over: it needs to hear of no further step.
    """

    def __init__(
        self, subject: Subject, spec: ProfileSpec, steps: range, request: str, is_wanted: Callable[[], bool]
    ) -> None:
        self._subject, self._steps, self._request, self._is_wanted = subject, steps, request, is_wanted
        self._state = _State.WAITING
        self._writer: threading.Thread | None = None
        self._step_ns: list[int] = []
        self._current, self._since_ns = -1, 0
        self._held_up_ns = 0
        files.drop_leftovers(subject.folder, subject.rank)
        known = read_captured(subject.folder, request)
        self.is_over = any(each.rank == subject.rank for each in known) or not is_wanted()
        device = torch.device(subject.device)
        self._recording = Recording(subject, spec, device)
        can_count = subject.rank == spec.speaker and subject.optimizer is not None
        self._meter = ProgramMeter(subject, device) if can_count else None

    def at(self, step: int) -> None:
        """A step is about to begin."""
        try:
            if self._state is _State.RECORDING:
                self._step_ns.append(mono_ns() - self._since_ns)
            if self._state is _State.RECORDING and step in self._steps and step == self._current + 1:
                self._recording.annotations.step_begins(step)
            else:
                self._change(step)
        except Exception as exc:  # noqa: BLE001 - whatever a profiler does, training goes on
            self._fail(exc)
        self._current, self._since_ns = step, mono_ns()

    def halt(self, step: int) -> None:
        """What is recorded ends before this step; where the loop was left inside one, there is nothing."""
        try:
            with self._held_up():
                if self._state is _State.RECORDING and self._current < step:
                    self._step_ns.append(mono_ns() - self._since_ns)
                    self._stop(step)
                    self._state = _State.HALTED
                elif self._state is not _State.WRITING:
                    self._end()
        except Exception as exc:  # noqa: BLE001 - as above
            self._fail(exc)
        self._leave_meter()
        self._listen(False)

    def close(self, *, keep: bool) -> None:
        """Publish what is whole, or leave nothing."""
        if self._state is _State.HALTED and keep:
            self._begin_to_write()
        elif self._state is not _State.WRITING:
            self._end()
        self._leave_meter()
        self._listen(False)
        if self._writer is not None:
            self._writer.join()

    def phase_begins(self, name: str) -> None:
        """The recorder has opened a phase."""
        self._recording.annotations.phase_begins(name)
        self._follow()

    def phase_ends(self, name: str) -> None:
        """The recorder has closed a phase."""
        self._recording.annotations.phase_ends(name)
        self._follow()

    def _follow(self) -> None:
        """Only a step's own work is arithmetic of the model."""
        if self._meter is not None:
            self._meter.count(not self._recording.annotations.is_in_phase)

    def _change(self, step: int) -> None:
        """Go to another state before this step."""
        with self._held_up():
            self._take_count(step)
            if self._state is _State.RECORDING:  # the last step is done, or the run went back
                self._stop(self._current + 1)
                self._begin_to_write()
            elif step < self._steps.start:
                if self._state is _State.WAITING:
                    self._recording.prepare()
                    self._state = _State.WARMING
            elif self._state in (_State.WAITING, _State.WARMING):
                self._steps = range(step, self._steps.stop)
                self._recording.start()
                self._recording.annotations.step_begins(step)
                self._state = _State.RECORDING
            if self._meter is not None and self._state is not _State.RECORDING:
                self._meter.begin()
        self.is_over = self._state is _State.ENDED or (self._state is _State.WRITING and self._meter is None)
        self._listen(not self.is_over)

    def _take_count(self, step: int) -> None:
        """Tell what the step before took, where it was counted; after the last step there is no other chance."""
        if self._meter is None:
            return
        if self._meter.is_counted:
            self._meter.tell(step - 1)
            self._leave_meter()
        elif self._state is _State.WRITING:
            self._leave_meter()
        else:
            self._meter.close()

    @contextmanager
    def _held_up(self) -> Iterator[None]:
        """The rank stands still for the profiler: the ledger hears of it, the trace does not."""
        began_ns = mono_ns()
        self._listen(False)
        with self._subject.recorder.phase(_PHASE):
            yield
        self._held_up_ns += mono_ns() - began_ns

    def _listen(self, is_on: bool) -> None:
        self._subject.recorder.listener = self if is_on else None

    def _stop(self, until: int) -> None:
        self._recording.stop()
        self._steps = range(self._steps.start, until)

    def _leave_meter(self) -> None:
        meter, self._meter = self._meter, None
        if meter is not None:
            meter.close()

    def _begin_to_write(self) -> None:
        self._state = _State.WRITING
        self._writer = threading.Thread(target=self._write, name="drivetrain-profile-write", daemon=True)
        self._writer.start()

    def _write(self) -> None:
        """In a thread: all files, and last what was captured; or the reason why there are none."""
        subject, steps = self._subject, self._steps
        names: tuple[str, ...] = ()
        error = ""
        try:
            if not self._is_wanted():
                return
            names = self._recording.write(subject.folder, stem(subject.attempt, subject.rank, steps))
        except (StoreError, RuntimeError, OSError) as exc:
            error = _told(exc)
        self._publish(names, error)

    def _publish(self, names: tuple[str, ...], error: str) -> None:
        subject, steps = self._subject, self._steps
        captured = Captured(
            request=self._request,
            attempt=subject.attempt,
            rank=subject.rank,
            first=steps.start,
            until=steps.stop,
            files=names,
            before_ns=pace.step_ns(subject.journal, steps.start - 1),
            during_ns=round(median(self._step_ns)) if self._step_ns else 0,
            held_up_ns=self._held_up_ns,
            error=error,
        )
        with suppress(StoreError):  # told already, where the disk is full
            publish_bytes(captured_file(subject.folder, captured), msgspec.json.encode(captured))

    def _fail(self, exc: Exception) -> None:
        self._end()
        self._leave_meter()
        self._listen(False)
        self.is_over = True
        self._publish((), _told(exc))

    def _end(self) -> None:
        """Nothing stays on and nothing is written."""
        self._recording.cancel()
        self._state = _State.ENDED


def _told(exc: Exception) -> str:
    """Say once that there is no profile, and why."""
    text = exc.message if isinstance(exc, DrivetrainError) else f"{type(exc).__name__}: {exc}"
    logger.warning("no profile of these steps (%s); training goes on", text)
    return text
