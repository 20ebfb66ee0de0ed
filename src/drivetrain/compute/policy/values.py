"""What a policy is told and what it answers, as plain values.

Devices are counted in milli-devices, so that a share of one is a whole number; `now_s` and all times are seconds on one
clock, of which a policy knows nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct, field

from drivetrain.compute.share import Share as Share

MILLI = 1000
CORES = "cpu"
"""The kind of what a node without accelerators has in their place; only who asks for cores is given these."""


class Node(Struct, frozen=True, gc=False):
    """A machine.

    Attributes:
      name: unique.
      pool: which it belongs to.
      free_milli: of each of its accelerators; empty where it has none.
      gpu: which kind they are.
      cpus, free_cpus: cores.
      memory_bytes, free_memory_bytes: as it says.
      rack, fabric: names of what it shares with others; empty where unknown.
      state: `up`, `draining` (no new work), `cordoned` (no new work: it failed) or `down`.
      awaited_gpus, awaited_cpus, awaited_memory_bytes: of what is free, what others than jobs of here still have, or
        what is still powered down: who is placed there waits for it.
    """

    name: str
    pool: str
    free_milli: tuple[int, ...] = ()
    gpu: str = ""
    cpus: float = 0
    free_cpus: float = 0
    memory_bytes: int = 0
    free_memory_bytes: int = 0
    rack: str = ""
    fabric: str = ""
    state: str = "up"
    awaited_gpus: int = 0
    awaited_cpus: float = 0
    awaited_memory_bytes: int = 0

    @property
    def num_gpus(self) -> int:
        """Accelerators, those in use among them."""
        return len(self.free_milli)


@dataclass(frozen=True, slots=True)
class Pool:
    """Accelerators of one kind at one engine.

    Attributes:
      kind: `reserved` (paid for in any case), `on-demand` or `spot`.
      price_per_gpu_h: in millionths of the currency, for a whole accelerator; of a node where it has none.
      interruptions_per_h: of a node, where the owner may take it back.
    """

    name: str
    kind: str = "reserved"
    price_per_gpu_h: int = 0
    interruptions_per_h: float = 0.0


@dataclass(frozen=True, slots=True)
class Quota:
    """What a team may use of one kind of accelerator; milli-devices.

    Attributes:
      team: whose.
      cohort: teams of one cohort may borrow from each other.
      pool: whose accelerators; empty for all.
      nominal_milli: what it owns.
      most_borrowed_milli: on top of that; None for all that others do not use.
      most_lent_milli: what others may use of its own; None for all.
      weight: its share of what is borrowed.
    """

    team: str
    cohort: str = ""
    pool: str = ""
    nominal_milli: int = 0
    most_borrowed_milli: int | None = None
    most_lent_milli: int | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Budget:
    """What a team may spend each day, week or month, by UTC, and what it has; millionths of the currency.

    Attributes:
      spent: on paid pools since `per` began, as the controller counts it; as an operator writes it, what came besides.
      warn_at: the part of it from which on the team is warned.
    """

    team: str
    limit: int
    spent: int = 0
    warn_at: float = 0.8
    per: Literal["day", "week", "month"] = "month"


class Request(Struct, frozen=True, gc=False):
    """What each node of a gang must give, and how many there must be.

    Attributes:
      min_nodes, max_nodes: all or nothing below the first; up to the second where it helps.
      gpu_milli: of each node: below 1000 a share of one accelerator, else whole ones.
      gpu: which kind; empty for any.
      pool: which; empty for any.
      topology: `any`, or the `node`, `rack` or `fabric` that all of them share; only with `node` are several on one.
      topology_required: whether it rather waits than goes without.
    """

    min_nodes: int = 1
    max_nodes: int = 1
    gpu_milli: int = 0
    cpus: float = 0
    memory_bytes: int = 0
    gpu: str = ""
    pool: str = ""
    topology: str = "any"
    topology_required: bool = False


class RunTime(Struct, frozen=True, gc=False):
    """How long a job is expected to run in all, from what similar ones took; seconds."""

    p10_s: float
    p50_s: float
    p90_s: float


class Waiting(Struct, frozen=True, gc=False):
    """A job that has no devices.

    Attributes:
      name: what its user calls it; jobs of one name are taken to run alike.
      submitted_s: when it first came.
      eligible_s: not before; a job that just failed waits a little.
      run_time: expected of what is left of it; None where nothing is known.
      max_runtime_s: it will be stopped after.
      deadline_s: when it should be done, on the common clock.
      save_every_s: between its checkpoints; None where it cannot go on from one.
      restart_s: what another start costs it, besides what is not saved.
      min_runtime_s, grace_s, idle_after_s, speed_by_nodes: as for `Running`, once it runs.
      was_accepted: some pool could give it once; where none can any more, it waits for one and is not refused.
    """

    job: str
    team: str
    user: str
    request: Request
    priority: int = 100
    preemptible: bool = False
    submitted_s: float = 0.0
    eligible_s: float = 0.0
    run_time: RunTime | None = None
    max_runtime_s: float | None = None
    deadline_s: float | None = None
    name: str = ""
    save_every_s: float | None = None
    restart_s: float = 30.0
    min_runtime_s: float = 0.0
    grace_s: float = 30.0
    idle_after_s: float | None = None
    speed_by_nodes: Mapping[int, float] = field(default_factory=dict)
    was_accepted: bool = False


class Running(Struct, frozen=True, gc=False):
    """A job that has devices.

    Attributes:
      shares: one a member, in the order of their ranks.
      name: what its user calls it.
      submitted_s: when it first came.
      started_s: of this attempt.
      min_runtime_s: not preempted before.
      saved_s: when the last checkpoint was complete; `started_s` where there is none.
      restart_s: what a stop and another start cost it, besides what is not saved.
      grace_s: how long it has to save and leave.
      run_time: expected of this attempt.
      speed_by_nodes: measured progress a second by number of nodes, relative; empty where it is not elastic or unknown.
      progress_s: when it last took a step or used its devices.
      idle_after_s: given up after so long without.
      leaving: it was told to save and leave already.
      next_shares: what it was told to have from its next step on, taken as well; None where that is what it has.
    """

    job: str
    attempt: str
    team: str
    user: str
    request: Request
    shares: tuple[Share, ...]
    priority: int = 100
    preemptible: bool = False
    submitted_s: float = 0.0
    started_s: float = 0.0
    min_runtime_s: float = 0.0
    saved_s: float = 0.0
    restart_s: float = 30.0
    grace_s: float = 30.0
    run_time: RunTime | None = None
    max_runtime_s: float | None = None
    deadline_s: float | None = None
    speed_by_nodes: Mapping[int, float] = field(default_factory=dict)
    progress_s: float = 0.0
    idle_after_s: float | None = None
    name: str = ""
    leaving: bool = False
    next_shares: tuple[Share, ...] | None = None


class Failure(Struct, frozen=True, gc=False):
    """A node's fault in an attempt of a job, with what it was."""

    node: str
    at_s: float
    job: str
    what: str


class Usage(Struct, frozen=True, gc=False):
    """Device-seconds that a team has had, decayed, in milli-device-seconds."""

    team: str
    milli_s: float


class Snapshot(Struct, frozen=True, gc=False):
    """All that a plan depends on.

    Attributes:
      slice_worth: of a free slice of an accelerator, by its milli from 0 to 1000, in accelerators: what
        `packing.prices` makes of what is asked for; empty where nothing is known of that.
      is_part: whether more jobs wait than those told of; then nobody is given what nobody of these can use.
    """

    nodes: tuple[Node, ...] = ()
    pools: tuple[Pool, ...] = ()
    quotas: tuple[Quota, ...] = ()
    budgets: tuple[Budget, ...] = ()
    usage: tuple[Usage, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    running: tuple[Running, ...] = ()
    failures: tuple[Failure, ...] = ()
    slice_worth: tuple[float, ...] = ()
    is_part: bool = False


class Start(Struct, frozen=True, gc=False):
    """Give a waiting job these places."""

    job: str
    shares: tuple[Share, ...]
    reason: str


class Resize(Struct, frozen=True, gc=False):
    """Give a running elastic job these places from its next step on."""

    job: str
    shares: tuple[Share, ...]
    reason: str


class Preempt(Struct, frozen=True, gc=False):
    """Have a running job save and leave, and wait again.

    Attributes:
      beneficiary: the job that gets its place; empty where its team's budget is spent.
      lost_s: work that is lost even so, in device-seconds.
    """

    job: str
    grace_s: float
    beneficiary: str
    lost_s: float
    reason: str


class Stop(Struct, frozen=True, gc=False):
    """End a running job: over its time, or idle."""

    job: str
    grace_s: float
    reason: str


class Refuse(Struct, frozen=True, gc=False):
    """Never possible in these pools. Attributes: nearest: the nearest that is."""

    job: str
    reason: str
    nearest: str = ""


class Cordon(Struct, frozen=True, gc=False):
    """Give a node no more work. Attributes: evidence: its failures, in words."""

    node: str
    evidence: str


class Warn(Struct, frozen=True, gc=False):
    """Tell a team that its budget comes to its end. Attributes: is_over: nothing is left of it."""

    team: str
    reason: str
    is_over: bool = False


class Wait(Struct, frozen=True, gc=False):
    """Why a job does not start now.

    Attributes:
      position: in the order in which jobs are looked at, from 1.
      reserved_s: when places are held for it, where they are.
    """

    job: str
    reason: str
    position: int
    reserved_s: float | None = None


Decision = Start | Resize | Preempt | Stop | Refuse | Cordon | Warn | Wait
