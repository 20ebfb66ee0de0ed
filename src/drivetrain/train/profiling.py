"""Which steps of this rank are profiled: those that the launch, the program or a person asked for."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

from drivetrain.core import variables
from drivetrain.core.profiling import ProfileSpec, Subject, open_profiler
from drivetrain.core.protocols import Profiler
from drivetrain.launch import asked_profile, is_asked
from drivetrain.store import RunFolder

logger = logging.getLogger(__name__)

_NEVER = sys.maxsize
_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked for.

    Attributes:
      request: its id.
      moves: whether steps that are gone already are replaced by later ones.
      is_wanted: whether somebody still waits for it.
    """

    request: str
    spec: ProfileSpec
    moves: bool
    is_wanted: Callable[[], bool]


class Profiling:
    """One rank's. While nothing is asked for, it costs a step one comparison, and a thread a look at a file a second.

    Attributes:
      next_step: `at` is to be called before each step from this one on; above all others where nothing is asked.
    """

    def __init__(self, folder: RunFolder, rank: int) -> None:
        self.next_step = _NEVER
        self._folder = folder
        self._rank = rank
        self._subject: Subject | None = None
        self._profiler: Profiler | None = None
        self._past: list[Profiler] = []
        self._wanted: list[_Wanted] = []
        self._num_calls = 0
        self._seen = ""
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        text = os.environ.get(variables.PROFILE)
        if text:
            self._add(ProfileSpec.parse(text), request=f"run {text}", moves=False)

    def begin(self, subject: Subject) -> None:
        """There will be steps: listen for people who ask."""
        self._subject = subject
        self._thread = threading.Thread(target=self._listen, name="drivetrain-profile-request", daemon=True)
        self._thread.start()

    def ask(self, spec: ProfileSpec) -> None:
        """The program asks; steps that are gone already are replaced by the next ones."""
        self._num_calls += 1
        self._add(spec, request=f"call {self._num_calls} {spec.text}", moves=True)

    def at(self, step: int) -> None:
        """This step is about to begin. For the training thread."""
        if self._profiler is None:
            self._open(step)
        if self._profiler is not None:
            self._profiler.at(step)
            if self._profiler.is_over:
                self._set_aside()
        self._plan(step + 1)

    def halt(self, step: int) -> None:
        """No step from this one on follows for now; whether that is well is known when the run is closed."""
        if self._profiler is not None:
            self._profiler.halt(step)
            self._set_aside()
            self._plan(step)

    def close(self, *, keep: bool) -> None:
        """The run's part of this process is over; `keep` what is whole."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        self._set_aside()
        self._end_all(keep=keep)

    def _set_aside(self) -> None:
        """It hears of no more steps; what is whole is written meanwhile."""
        if self._profiler is not None:
            self._past.append(self._profiler)
            self._profiler = None

    def _end_all(self, *, keep: bool) -> None:
        past, self._past = self._past, []
        for profiler in past:
            profiler.close(keep=keep)

    def _open(self, step: int) -> None:
        """Begin what is due before or at this step."""
        assert self._subject is not None
        while (wanted := self._take(step)) is not None:
            steps = _steps_of(wanted, step)
            if not steps:
                logger.warning("the steps of %s are done already, so they are not profiled", wanted.spec.text)
                continue
            self._end_all(keep=True)  # one at a time
            try:
                profiler = open_profiler(self._subject, wanted.spec, steps, wanted.request, wanted.is_wanted)
            except Exception as exc:  # noqa: BLE001 - whatever a profiler does, training goes on
                logger.warning("%s is not profiled: %s", wanted.spec.text, exc)
                continue
            if not profiler.is_over:
                self._profiler = profiler
                return

    def _take(self, step: int) -> _Wanted | None:
        with self._lock:
            for index, wanted in enumerate(self._wanted):
                if _begins(wanted) <= step:
                    return self._wanted.pop(index)
        return None

    def _add(
        self, spec: ProfileSpec, *, request: str, moves: bool, is_wanted: Callable[[], bool] = lambda: True
    ) -> None:
        if spec.takes(self._rank):
            with self._lock:
                self._wanted.append(_Wanted(request, spec, moves, is_wanted))
                self.next_step = min(self.next_step, _begins(self._wanted[-1]))

    def _plan(self, step: int) -> None:
        with self._lock:
            due = [step] if self._profiler is not None else [_begins(wanted) for wanted in self._wanted]
            self.next_step = min(due, default=_NEVER)

    def _listen(self) -> None:
        while not self._closed.wait(_LOOK_S):
            if self._folder.profile_request.exists():
                self._hear()

    def _hear(self) -> None:
        asked = asked_profile(self._folder)
        if asked is not None and asked[0] != self._seen:
            self._seen, spec = asked
            folder, request = self._folder, self._seen
            self._add(spec, request=request, moves=True, is_wanted=lambda: is_asked(folder, request))


def _steps_of(wanted: _Wanted, step: int) -> range:
    """The steps to record, where `step` is about to begin; the one before them warms up, if there is one left."""
    first, num_steps = wanted.spec.first, wanted.spec.num_steps
    if first is None or (wanted.moves and first < step):
        return range(step + 1, step + 1 + num_steps)
    return range(max(first, step), first + num_steps)


def _begins(wanted: _Wanted) -> int:
    """The step before the first, which warms the profiler up; 0 where it may be any."""
    return 0 if wanted.spec.first is None else max(0, wanted.spec.first - 1)
