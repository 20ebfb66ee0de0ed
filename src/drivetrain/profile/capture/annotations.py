"""Names in a trace for steps and phases, as readers look for them."""

from __future__ import annotations

import threading
from typing import Any

from torch.profiler import record_function


class Annotations:
    """For the training thread: one step at a time, and in it the innermost phase alone, as the ledger counts.

    A `ledger.Recorder` tells of phases (`phase_begins`, `phase_ends`); those of other threads are left out.
    """

    def __init__(self, phase: str) -> None:
        """Inside a phase; empty for none."""
        self._thread = threading.get_ident()
        self._phases = [phase] if phase else []
        self._open_phase: Any = None
        self._open_step: Any = None
        self._is_on = False

    @property
    def is_in_phase(self) -> bool:
        """Whether the step does something else than its own work."""
        return bool(self._phases)

    def start(self) -> None:
        """Recording has begun."""
        self._is_on = True

    def step_begins(self, step: int) -> None:
        """The step before is over."""
        self._close_phase()
        self._close_step()
        self._open_step = record_function(f"ProfilerStep#{step}")
        self._open_step.__enter__()
        self._reopen()

    def stop(self) -> None:
        """Recording is about to end."""
        self._close_phase()
        self._close_step()
        self._is_on = False

    def phase_begins(self, name: str) -> None:
        """A phase opens, perhaps inside another."""
        if threading.get_ident() == self._thread:
            self._phases.append(name)
            self._reopen()

    def phase_ends(self, name: str) -> None:
        """The phase that was opened last under this name closes."""
        if threading.get_ident() == self._thread and name in self._phases:
            last = len(self._phases) - 1 - self._phases[::-1].index(name)
            del self._phases[last]
            self._reopen()

    def _reopen(self) -> None:
        self._close_phase()
        if self._is_on and self._phases:
            self._open_phase = record_function(f"drivetrain {self._phases[-1]}")
            self._open_phase.__enter__()

    def _close_phase(self) -> None:
        opened, self._open_phase = self._open_phase, None
        if opened is not None:
            opened.__exit__(None, None, None)

    def _close_step(self) -> None:
        opened, self._open_step = self._open_step, None
        if opened is not None:
            opened.__exit__(None, None, None)
