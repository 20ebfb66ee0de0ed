"""Run a pipeline: plan it, choose who does the work, take what comes out, and say what became of it and where the time
went."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from drivetrain.core.errors import DataError, UsageError
from drivetrain.data.pipeline.chunks import Chunks
from drivetrain.data.pipeline.cluster import Cluster
from drivetrain.data.pipeline.description import Opened, Pipeline
from drivetrain.data.pipeline.item import Entry, Item
from drivetrain.data.pipeline.local import run_local
from drivetrain.data.pipeline.plan import Plan, make_plan
from drivetrain.data.pipeline.stages import Meter, StageReport, report
from drivetrain.data.pipeline.tally import Tally

BUDGET_BYTES = 512 << 20

Progress = Callable[[int, str], None]
"""`progress(done, note)`: how many of the source's items are through, and a few words on how it goes."""


@dataclass(frozen=True)
class How:
    """Who does the work of a pipeline, and with how much; changes nothing in what comes out.

    Attributes:
      on: `local`: threads of this process, and child processes for ops that hold the GIL; `ray`: a Ray cluster.
      threads: workers here; 0 takes as many as there are cores. Of a cluster, its CPUs do the work.
      budget_bytes: most payload that may be under way at once.
      cache: folder where results of steps are kept, so that a later run does not make them again; None keeps none.
      address: of a running Ray cluster; empty takes RAY_ADDRESS, or starts one on this machine for the time of the run.
    """

    on: Literal["local", "ray"] = "local"
    threads: int = 0
    budget_bytes: int = BUDGET_BYTES
    cache: Path | None = None
    address: str = ""

    def __post_init__(self) -> None:
        if self.on not in ("local", "ray"):
            raise UsageError(f"on is {self.on!r}; it must be 'local' or 'ray'")
        if self.threads < 0 or self.budget_bytes < 1:
            raise ValueError(f"threads={self.threads} (0 or more) and budget_bytes={self.budget_bytes} (1 or more)")

    @property
    def num_threads(self) -> int:
        """Workers on this machine."""
        return self.threads or len(os.sched_getaffinity(0))


@dataclass(frozen=True, eq=False)
class Outcome:
    """A finished run.

    Attributes:
      made: what the sink gave.
      tally: what became of the items.
      stages: where the time went.
    """

    made: object
    tally: Tally
    stages: StageReport


def run(
    pipeline: Pipeline,
    how: How | None = None,
    *,
    max_bad_pct: float = 20.0,
    what: str = "items",
    on_progress: Progress | None = None,
) -> Outcome:
    """Run a pipeline to its end.

    Args:
      pipeline: with a sink.
      how: who does the work; threads of this process by default, keeping nothing.
      max_bad_pct: more items that ops could not take than this, in per cent of those not dropped, are an error.
      what: a word for the items, in errors.
      on_progress: called after each item of the source.
    Raises:
      UsageError: it has no sink, or cannot run this way.
      DataError: too many items are bad, the first of them named; or the source is not what it should be.
      StoreError: the disk would not take what was made.
    """
    if pipeline.sink is None:
        raise UsageError(f"the pipeline {pipeline} has no end", hint="add one: pipeline | Shards('path/to/dataset')")
    how = how or How()
    begun_ns = time.perf_counter_ns()
    opened = pipeline.source.open()
    plan = make_plan(pipeline, opened)
    meter = Meter.of([[op.name for op in step.ops] for step in plan.steps])
    tally = Tally(plan.num_items, plan.inputs, plan.history)
    entries = _entries(plan, opened, how, meter)
    with closing(entries):
        items = _items(entries, tally, meter, max_bad_pct, what, on_progress)
        made = pipeline.sink.write(items, tally)
    if how.cache is not None:
        with suppress(OSError):  # another run removes the same
            Chunks(how.cache).prune()
    wall_ns = time.perf_counter_ns() - begun_ns
    return Outcome(made, tally, report(meter, wall_ns=wall_ns, budget_bytes=how.budget_bytes))


def _entries(plan: Plan, opened: Opened, how: How, meter: Meter) -> Generator[Entry, None, None]:
    """What comes out of the last step, in order."""
    chunks = None if how.cache is None else Chunks(how.cache)
    threads, budget_bytes = how.num_threads, how.budget_bytes
    if how.on == "local":
        return run_local(plan, opened, chunks=chunks, threads=threads, budget_bytes=budget_bytes, meter=meter)
    from drivetrain.data.pipeline.ray_executor import run_ray

    return run_ray(plan, opened, Cluster(how.address, threads), chunks=chunks, budget_bytes=budget_bytes, meter=meter)


def _items(
    entries: Iterator[Entry],
    tally: Tally,
    meter: Meter,
    max_bad_pct: float,
    what: str,
    on_progress: Progress | None,
) -> Iterator[Item]:
    """What came out, counted; the time between asking is the sink's."""
    for entry in entries:
        tally.add(entry)
        tally.refuse_too_many_bad(max_bad_pct, what=what)
        begun_ns = time.perf_counter_ns()
        for item in entry.items:
            meter.writing.num_in += 1
            meter.writing.bytes_out += item.num_bytes
            yield item
        meter.writing.busy_ns += time.perf_counter_ns() - begun_ns
        if on_progress is not None:
            on_progress(tally.num_done, f"{len(tally.bad)} skipped" if tally.bad else "")
    if not tally.num_made:
        dropped = ", ".join(f"{op} dropped {number}" for op, number in sorted(tally.dropped.items()))
        raise DataError(f"nothing is left of {tally.num_items} {what}" + (f": {dropped}" if dropped else ""))
