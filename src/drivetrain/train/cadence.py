"""When a checkpoint is due, agreed on by all ranks without a collective in every step."""

from __future__ import annotations

from collections.abc import Callable

from drivetrain.core.clock import mono_ns
from drivetrain.core.units import Every


class Cadence:
    """The step at which ranks next ask whether to save.

    An interval in steps needs no asking: every multiple of it. For one in time rank 0 measures how long steps take and
    tells the others the next step to ask at; between two such steps nobody talks. The first steps are no measure of the
    later ones, so it looks ahead at most as far as it has looked back.

    Attributes:
      next_step: when this many steps are finished, call `due`; larger than any step when nothing is ever due.
    """

    NEVER = 2**62

    def __init__(self, every: Every | None, step: int, share: Callable[[tuple[bool, int]], tuple[bool, int]]) -> None:
        self._every = every
        self._share = share
        self._saved_at_ns = mono_ns()
        self._began_step, self._began_at_ns = step, self._saved_at_ns
        if every is None:
            self.next_step = self.NEVER
        elif every.unit == "step":
            self.next_step = _next_multiple(step, every.amount)
        else:
            self.next_step = step + 1

    def due(self, step: int) -> bool:
        """Whether to save now, at `next_step`; moves `next_step` on. Collective for intervals in time."""
        if self._every is None:
            return False
        if self._every.unit == "step":
            self.next_step = _next_multiple(step, self._every.amount)
            return True
        save, self.next_step = self._share(self._plan(step, mono_ns()))
        return save

    def saved(self, step: int) -> None:
        """A save has just ended: time counts from here."""
        self._saved_at_ns = mono_ns()
        self._began_step, self._began_at_ns = step, self._saved_at_ns

    def went_back(self, step: int) -> None:
        """The run goes on from an earlier step."""
        self._began_step, self._began_at_ns = step, mono_ns()
        if self._every is not None:
            self.next_step = _next_multiple(step, self._every.amount) if self._every.unit == "step" else step + 1

    def _plan(self, step: int, now_ns: int) -> tuple[bool, int]:
        assert self._every is not None
        return plan(
            step,
            every_ns=self._every.amount,
            since_save_ns=now_ns - self._saved_at_ns,
            num_measured=step - self._began_step,
            measured_ns=now_ns - self._began_at_ns,
        )


def plan(step: int, *, every_ns: int, since_save_ns: int, num_measured: int, measured_ns: int) -> tuple[bool, int]:
    """Whether to save now, and at which step to ask again.

    Args:
      step: steps finished.
      every_ns: the interval.
      since_save_ns: time since the last save or the start.
      num_measured: steps made in `measured_ns`; at least 1.
    """
    step_ns = max(measured_ns // max(num_measured, 1), 1)
    save = since_save_ns + step_ns // 2 >= every_ns
    remaining_ns = every_ns - (0 if save else since_save_ns)
    return save, step + min(max(remaining_ns // step_ns, 1), max(num_measured, 1))


def _next_multiple(step: int, amount: int) -> int:
    return (step // amount + 1) * amount
