"""Where a run's time went, stage by stage, and one sentence that says what to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from drivetrain.core.units import NS_PER_S, bytes_text, duration_text
from drivetrain.data.pipeline.apply import OpTime

_BUSY = 0.75  # a share of the time from which on something is called busy
_FULL = 0.8  # a share of the memory that is allowed from which on it holds workers back


@dataclass
class Stage:
    """What one op did in a run, or the writing at the end.

    Attributes:
      name: the op's.
      step: number of the step that it is part of, from 0; -1 for the writing.
      num_in, num_out: items taken and given.
      num_stored: items of the source whose results were there already.
      busy_ns: time in it, over all workers.
      bytes_out: of the items that it gave.
      queue_pct: how full the step's queue of finished results was, on average over those taken.
    """

    name: str
    step: int
    num_in: int = 0
    num_out: int = 0
    num_stored: int = 0
    busy_ns: int = 0
    bytes_out: int = 0
    queue_pct: float = 0.0


@dataclass
class Meter:
    """Collects what stages do while a run goes on.

    Attributes:
      stages: one for each op, by step.
      writing: the end.
      peak_bytes: payload that was under way at once.
      num_workers: threads here, or CPUs of a cluster.
      num_taken: step -> results taken from its queue.
    """

    stages: list[list[Stage]]
    writing: Stage = field(default_factory=lambda: Stage("writing", -1))
    peak_bytes: int = 0
    num_workers: int = 0
    num_taken: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, steps: Sequence[Sequence[str]]) -> Meter:
        """For the names of ops, by step."""
        return cls([[Stage(name, number) for name in names] for number, names in enumerate(steps)])

    def applied(self, step: int, times: Sequence[OpTime]) -> None:
        """An entry went through a step."""
        for stage, took in zip(self.stages[step], times, strict=True):
            stage.num_in += took.num_in
            stage.num_out += took.num_out
            stage.busy_ns += took.busy_ns
            stage.bytes_out += took.bytes_out

    def stored(self, step: int) -> None:
        """An entry's result of a step was there already."""
        for stage in self.stages[step]:
            stage.num_stored += 1

    def taken(self, step: int, fullness: float) -> None:
        """A result was taken from a step's queue that was so full, 0 to 1."""
        number = self.num_taken[step] = self.num_taken.get(step, 0) + 1
        for stage in self.stages[step]:
            stage.queue_pct += (100 * fullness - stage.queue_pct) / number


@dataclass(frozen=True)
class StageReport:
    """Where the time of a run went.

    Attributes:
      wall_ns: the run took.
      num_workers: threads, processes, or CPUs of a cluster that ran ops.
      budget_bytes: payload that might be under way at once.
      peak_bytes: that was under way at once.
      stages: in order, the writing last.
      bottleneck: name of the stage that sets the pace.
      advice: one sentence on it and what to change.
    """

    wall_ns: int
    num_workers: int
    budget_bytes: int
    peak_bytes: int
    stages: tuple[Stage, ...]
    bottleneck: str
    advice: str

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


def report(meter: Meter, *, wall_ns: int, budget_bytes: int) -> StageReport:
    """Judge a finished run; a pure function of what was measured."""
    stages = (*(stage for step in meter.stages for stage in step), meter.writing)
    num_workers = max(1, meter.num_workers)
    is_short = meter.peak_bytes > _FULL * budget_bytes
    if not meter.num_taken and any(stage.num_stored for stage in stages):
        bottleneck, advice = "writing", "all results were there already; only the writing was done"
    else:
        bottleneck, advice = _judge(stages, wall_ns, num_workers, is_short=is_short)
    return StageReport(wall_ns, num_workers, budget_bytes, meter.peak_bytes, stages, bottleneck, advice)


def _judge(stages: Sequence[Stage], wall_ns: int, num_workers: int, *, is_short: bool) -> tuple[str, str]:
    *ops, writing = stages
    slowest = max(ops, key=lambda stage: stage.busy_ns, default=writing)
    busy_ns = sum(stage.busy_ns for stage in ops)
    if writing.busy_ns > _BUSY * wall_ns:
        share_pct = 100 * writing.busy_ns / wall_ns
        return writing.name, f"writing takes {share_pct:.0f} % of the time: write to a faster disk"
    share_pct = 100 * slowest.busy_ns / max(1, busy_ns)
    used_pct = min(100, 100 * busy_ns / max(1, wall_ns * num_workers))
    busy = f"the workers are busy {used_pct:.0f} % of the time, {share_pct:.0f} % of that in {slowest.name}"
    if used_pct >= 100 * _BUSY:
        return slowest.name, f"{busy}: give it more cores (--threads), or machines (--on ray)"
    if is_short:
        return slowest.name, f"{busy}, and what waits fills the memory that is allowed: allow more (--memory)"
    return slowest.name, f"{busy}: the run is short, or ops hold the GIL (holds_gil = True runs one in processes)"


def stage_table(found: StageReport) -> str:
    """The report as lines for people."""
    wall_s = max(1, found.wall_ns) / NS_PER_S
    num_workers = found.num_workers
    lines = [f"{'stage':<18} {'items':>8} {'stored':>8} {'items/s':>9} {'bytes/s':>11} {'busy':>6} {'queue':>6}"]
    for stage in found.stages:
        busy_pct = 100 * stage.busy_ns / max(1, found.wall_ns * (num_workers if stage.step >= 0 else 1))
        queue = f"{stage.queue_pct:.0f} %" if stage.step >= 0 else ""
        lines.append(
            f"{stage.name:<18.18} {stage.num_in:>8} {stage.num_stored:>8} {stage.num_in / wall_s:>9.1f} "
            f"{bytes_text(int(stage.bytes_out / wall_s)):>11} {busy_pct:>4.0f} % {queue:>6}"
        )
    lines.append(
        f"{duration_text(found.wall_ns)} with {num_workers} workers; at most {bytes_text(found.peak_bytes)} under way "
        f"of {bytes_text(found.budget_bytes)} allowed"
    )
    return "\n".join([*lines, f"bottleneck: {found.bottleneck}; {found.advice}"])
