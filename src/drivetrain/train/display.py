"""How training goes, for whoever watches: a bar on a terminal, else a line now and then. Rank 0 alone shows it."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

from drivetrain.core.units import NS_PER_S, duration_text

BAR_EVERY_NS = NS_PER_S // 2
LINE_EVERY_NS = 30 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Glance:
    """What is shown at a moment.

    Attributes:
      step: steps done.
      until: steps in all.
      loss: of the last step.
      step_ns: a step with all around it, over the time since the glance before.
      wait_pct: the part of it outside the loop's body: waiting for data, and where checkpoints hold training up.
      metrics: of the last evaluation.
    """

    step: int
    until: int
    loss: float
    step_ns: int
    wait_pct: float
    metrics: dict[str, float]

    @property
    def left_ns(self) -> int:
        """How long the remaining steps take at this pace."""
        return (self.until - self.step) * self.step_ns

    def __str__(self) -> str:
        metrics = "".join(f" · {name} {value:.4g}" for name, value in self.metrics.items())
        loss = f"{self.loss:.4g}" if math.isfinite(self.loss) else str(self.loss)
        return (
            f"loss {loss} · {duration_text(self.step_ns)}/step · data wait {self.wait_pct:.0f} %"
            f" · {duration_text(self.left_ns)} left{metrics}"
        )


class Display(Protocol):
    """Where glances go.

    Attributes:
      every_ns: how often it wants one.
    """

    every_ns: int

    def show(self, glance: Glance) -> None:
        """Show it; costs up to some milliseconds."""
        ...

    def close(self) -> None:
        """Leave the screen as it was."""
        ...


class Lines:
    """A line for a log."""

    every_ns = LINE_EVERY_NS

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, glance: Glance) -> None:
        """Print it."""
        print(f"step {glance.step}/{glance.until} · {glance}", file=self._out, flush=True)

    def close(self) -> None:
        """Nothing."""


class Bar:
    """A bar on a terminal, drawn by the training thread: a thread of its own would take turns with every step."""

    every_ns = BAR_EVERY_NS

    def __init__(self, out: TextIO, step: int, until: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (
            TextColumn("  train"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
        )
        self._progress: Any = Progress(*columns, console=Console(file=out), auto_refresh=False, transient=True)
        self._progress.start()
        self._task = self._progress.add_task("train", total=until, completed=step, note="")

    def show(self, glance: Glance) -> None:
        """Draw it anew."""
        self._progress.update(self._task, completed=glance.step, note=str(glance), refresh=True)

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()


def open_display(step: int, until: int, *, is_launched: bool, out: TextIO | None = None) -> Display:
    """A bar where somebody watches this process itself; lines in a log, and under a launcher, which prefixes them."""
    out = out or sys.stderr
    return Bar(out, step, until) if out.isatty() and not is_launched else Lines(out)


class Pace:
    """Counts where the time of a loop goes between two glances; two readings of the clock a step."""

    __slots__ = ("_since_ns", "_step", "body_ns")

    def __init__(self, step: int, now_ns: int) -> None:
        self.body_ns = 0
        self._step, self._since_ns = step, now_ns

    def lap(self, step: int, now_ns: int) -> tuple[int, float]:
        """(nanoseconds a step, percent of them outside the body) since the last lap; begins the next one."""
        num_steps, passed_ns = max(step - self._step, 1), max(now_ns - self._since_ns, 1)
        outside_pct = 100 * max(passed_ns - self.body_ns, 0) / passed_ns
        self.body_ns, self._step, self._since_ns = 0, step, now_ns
        return passed_ns // num_steps, outside_pct
