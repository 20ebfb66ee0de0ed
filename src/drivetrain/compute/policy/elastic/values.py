"""What an elastic policy is told, and what it answers.

Times are seconds on one clock. Progress is counted in steps at the smallest batch: a step at a larger one counts as
many as its gradient is worth (Pollux, OSDI'21).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

Placement = tuple[tuple[int, int], ...]
"""(node, GPUs on it) of a job, nodes in the order of its ranks; empty where it has none."""


class Knowledge(StrEnum):
    """What a policy may know of a job besides its own measured step times and gradient noise."""

    BLIND = "blind"  # nothing
    NAMED = "named"  # the application's name; how much work finished jobs of that name took
    DECLARED = "declared"  # also the work that its user declared


@dataclass(frozen=True, slots=True)
class Cluster:
    """Equal nodes with equal GPUs."""

    num_nodes: int
    gpus_per_node: int

    @property
    def num_gpus(self) -> int:
        """Of all nodes."""
        return self.num_nodes * self.gpus_per_node


@dataclass(frozen=True, slots=True)
class Batch:
    """The batch sizes that a job can train with.

    Attributes:
      smallest, largest: of the whole job.
      smallest_local, largest_local: of one GPU at once; a larger share of the batch is accumulated.
    """

    smallest: int
    largest: int
    smallest_local: int
    largest_local: int


@dataclass(frozen=True, slots=True)
class Measured:
    """How long a step took in one configuration, of which `sync_s` exchanged gradients."""

    num_nodes: int
    num_gpus: int
    local_batch: int
    step_s: float
    sync_s: float


@dataclass(frozen=True, slots=True)
class Speed:
    """A job's step time as a function of its size, fitted to what it measured; see `speed.py`."""

    compute_s: float
    compute_s_per_sample: float
    across_nodes_s: float
    across_nodes_s_per_gpu: float
    in_node_s: float
    in_node_s_per_gpu: float
    overlap: float


@dataclass(frozen=True, slots=True)
class ElasticJob:
    """A job that can run on any number of GPUs up to `most_gpus`.

    Attributes:
      name: unique.
      application: what it trains; empty where the policy may not know.
      submitted_s: when it came.
      batch: sizes that it can train with; `fixed_batch` where its user allows one alone.
      most_gpus: the most that it can use.
      requested_gpus: what its user asked for, for policies that give just that.
      placement: what it holds.
      restarting: it holds GPUs and has not taken a step on them.
      num_restarts: how often it was moved since its first start.
      held_gpu_s: GPU-seconds that it has had.
      measured: in the order of measuring.
      speed: fitted to `measured`; None where nothing is measured.
      noise: squared norm of the gradient and its variance, of now.
      progress: done.
      declared: all that its user declared; None where the policy may not know.
    """

    name: str
    application: str
    submitted_s: float
    batch: Batch
    fixed_batch: int | None
    most_gpus: int
    requested_gpus: int
    placement: Placement = ()
    restarting: bool = False
    num_restarts: int = 0
    held_gpu_s: float = 0.0
    measured: tuple[Measured, ...] = ()
    speed: Speed | None = None
    noise: tuple[float, float] = (0.0, 0.0)
    progress: float = 0.0
    declared: float | None = None

    @property
    def num_gpus(self) -> int:
        """That it holds."""
        return sum(count for _, count in self.placement)

    @property
    def tried_gpus(self) -> int:
        """The largest size at which it has taken a step."""
        return max((m.num_gpus for m in self.measured), default=0)


@dataclass(frozen=True, slots=True)
class Finished:
    """A job that has finished: its whole work, and what was declared; nothing where the policy may not know."""

    application: str
    progress: float
    declared: float | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """All that a policy is told.

    Attributes:
      now_s: the time.
      jobs: submitted and not finished, in the order of submission.
      finished: in the order in which they finished; none where the policy may not know.
      restart_s: what a new placement costs a job, as measured.
      every_s: how long it is to the next decision.
    """

    now_s: float
    cluster: Cluster
    jobs: tuple[ElasticJob, ...]
    finished: tuple[Finished, ...] = ()
    restart_s: float = 30.0
    every_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Decision:
    """Placements of all jobs that get GPUs, and what the policy wants to be told the next time."""

    placements: Mapping[str, Placement]
    memory: object = None


class Policy(Protocol):
    """Says who gets which GPUs, at each decision.

    Attributes:
      name: as on the command line.
      knowledge: what it may know.
      tunes_batch: jobs choose their batch size again at each decision; else they keep what was submitted.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - described above

    @property
    def knowledge(self) -> Knowledge: ...  # noqa: D102

    @property
    def tunes_batch(self) -> bool: ...  # noqa: D102

    def decide(self, moment: Moment, memory: object) -> Decision:
        """Pure: the same of the same. `memory` is that of the last decision, None at first."""
        ...
