"""Is the loader what training waits for, which stage of it, and what would a faster one gain?

The same steps are done twice: fed by the loader, and fed by batches that lie ready in memory. The difference is the
headspace: no loader, however fast, gains more. Idea: SPDL's cached replay (facebookresearch/spdl).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from drivetrain.core.units import duration_text
from drivetrain.data.loader import Loader
from drivetrain.data.loading.batches import Batch
from drivetrain.data.loading.tally import Tally

STAGES = ("read", "decode", "augment", "collate")
_KEPT = 4
_ENOUGH_PCT = 5.0
_IDLE_PCT = 30.0


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a loader does beside a training step.

    Attributes:
      num_batches: measured, each way.
      num_samples: in them.
      loaded_ns: time for all steps, fed by the loader.
      replayed_ns: the same, fed by batches that lie ready.
      threads: of the loader.
      cores: that this process may use.
      tally: of the loader, meanwhile.
    """

    num_batches: int
    num_samples: int
    loaded_ns: int
    replayed_ns: int
    threads: int
    cores: int
    tally: Tally

    @property
    def headspace_pct(self) -> float:
        """Share of the time that a loader without cost would save: 0 is as good as it gets."""
        return 100 * max(0.0, 1 - self.replayed_ns / max(self.loaded_ns, 1))

    @property
    def samples_per_s(self) -> float:
        """Of training as it is."""
        return self.num_samples * 1e9 / max(self.loaded_ns, 1)

    @property
    def ready_pct(self) -> float:
        """Batches that were ready when they were asked for."""
        return 100 * self.tally.num_ready / max(self.tally.num_batches, 1)

    @property
    def wait_pct(self) -> float:
        """Share of the time spent waiting for batches that were not ready."""
        return 100 * self.tally.wait_ns / max(self.loaded_ns, 1)

    @property
    def idle_pct(self) -> float:
        """Time of the loader's threads in which enough was ready already."""
        return 100 * self.tally.idle_ns / max(self.tally.idle_ns + self.tally.busy_ns, 1)

    def stage_ns(self, stage: str) -> int:
        """What one sample costs a thread in a stage."""
        total: int = getattr(self.tally, f"{stage}_ns")
        return total // max(self.tally.num_samples, 1)

    def share_pct(self, stage: str) -> float:
        """Of the time that threads are at work."""
        total: int = getattr(self.tally, f"{stage}_ns")
        return 100 * total / max(self.tally.busy_ns, 1)

    @property
    def slowest(self) -> str:
        """The stage that takes threads the most time."""
        return max(STAGES, key=self.share_pct)

    @property
    def advice(self) -> str:
        """What to change, in one sentence."""
        gain = f"up to {self.headspace_pct:.0f} % of the time is to be gained"
        if self.headspace_pct < _ENOUGH_PCT:
            return f"The loader keeps up, {gain}: make the step faster, not the loader."
        if self.threads and self.wait_pct < self.headspace_pct / 4:
            return (
                f"Batches are ready when asked for, but steps take longer beside {self.threads} threads on "
                f"{self.cores} cores, {gain}: use fewer threads or more cores."
            )
        if self.threads and self.idle_pct > _IDLE_PCT:
            return f"Threads are idle for {self.idle_pct:.0f} % of their time, yet {gain}: raise budget_bytes."
        return f"{self._stage_advice()}: {gain}."

    def _stage_advice(self) -> str:
        stage, share = self.slowest, self.share_pct(self.slowest)
        what = f"{stage.capitalize()} takes {share:.0f} % of the work"
        if stage == "read" and self.threads < 4 * self.cores:
            return f"{what}, and threads that read only wait: raise threads from {self.threads} to {4 * self.cores}"
        if stage == "read":
            return f"{what}: bring the data set nearer, or read neighbours together (shuffle=Blocks())"
        if self.threads < self.cores:
            return f"{what}, and {self.cores} cores are there: raise threads from {self.threads} to {self.cores}"
        remedy = {
            "decode": "store images at the size that training uses, or let ImageSize(exact=False) decode less",
            "augment": "use fewer or cheaper operations, or more cores",
            "collate": "store parts of one shape, so that they are decoded in place",
        }[stage]
        return f"{what}, and all {self.cores} cores are in use: {remedy}"

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "num_batches": self.num_batches,
            "num_samples": self.num_samples,
            "samples_per_s": round(self.samples_per_s, 3),
            "headspace_pct": round(self.headspace_pct, 3),
            "ready_pct": round(self.ready_pct, 3),
            "idle_pct": round(self.idle_pct, 3),
            "wait_pct": round(self.wait_pct, 3),
            "threads": self.threads,
            "cores": self.cores,
            "stages": {
                stage: {"ns_per_sample": self.stage_ns(stage), "share_pct": round(self.share_pct(stage), 3)}
                for stage in STAGES
            },
            "advice": self.advice,
        }

    def to_text(self) -> str:
        """Lines for people."""
        lines = [f"{'stage':<10} {'a sample':>10} {'share':>7}   {self.threads} threads, {self.cores} cores"]
        lines += [
            f"{stage:<10} {duration_text(self.stage_ns(stage)):>10} {self.share_pct(stage):>5.0f} %" for stage in STAGES
        ]
        wait_ns = self.tally.wait_ns // max(self.tally.num_batches, 1)
        return "\n".join(
            [
                *lines,
                f"{self.ready_pct:.0f} % of {self.num_batches} batches were ready when asked for; "
                f"the wait was {duration_text(wait_ns)} a batch",
                f"{self.samples_per_s:.1f} samples a second; headspace {self.headspace_pct:.0f} %",
                self.advice,
            ]
        )


def diagnose(loader: Loader, use: Callable[[Batch], object], *, num_batches: int = 32) -> Diagnosis:
    """Measure a loader beside what its batches are for; its position is as before afterwards.

    Args:
      loader: bound to its rank.
      use: one training step with a batch; on a device it must wait until the work is done.
      num_batches: to measure, after a few that fill caches and queues.
    Raises: ValueError: fewer than one batch. What `use` and the loader raise.
    """
    if num_batches < 1:
        raise ValueError(f"num_batches is {num_batches}; it must be 1 or more")
    state = loader.state_dict()
    batches = iter(loader)
    try:
        kept = list(islice(batches, _KEPT))
        for batch in kept:
            use(batch)
        before, began_ns, num_samples = loader.tally, time.perf_counter_ns(), 0
        for batch in islice(batches, num_batches):
            use(batch)
            num_samples += len(batch["key"])
        loaded_ns = time.perf_counter_ns() - began_ns
        tally = loader.tally.since(before)
    finally:
        loader.load_state_dict(state)
    began_ns = time.perf_counter_ns()
    for number in range(num_batches):
        use(kept[number % len(kept)])
    replayed_ns = time.perf_counter_ns() - began_ns
    cores = len(os.sched_getaffinity(0))
    return Diagnosis(num_batches, num_samples, loaded_ns, replayed_ns, loader.threads, cores, tally)
