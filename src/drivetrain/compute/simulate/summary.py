"""What came of a play: where the devices' time went, how long jobs waited and took, what was lost and what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from drivetrain.compute.policy.values import MILLI, Request
from drivetrain.compute.simulate.values import Story
from drivetrain.core.leaves import FreeLeaf, Leaf
from drivetrain.core.units import NS_PER_S
from drivetrain.ledger.fleet import Fleet, FleetAccount, leaves_over_time, statement
from drivetrain.ledger.fleet.account import micros

NUM_WINDOWS = 120
NUM_STEPS = 100
_MILLI_NS = MILLI * NS_PER_S


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of seconds."""

    mean_s: float
    p50_s: float
    p90_s: float
    p99_s: float

    @staticmethod
    def of(values_s: Iterable[float]) -> Quantiles:
        """Of a sample; zeros of none."""
        ascending = sorted(values_s)
        if not ascending:
            return Quantiles(0.0, 0.0, 0.0, 0.0)
        at = [ascending[min(len(ascending) - 1, int(part * len(ascending)))] for part in (0.5, 0.9, 0.99)]
        return Quantiles(sum(ascending) / len(ascending), *at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Of one policy over one play. Parts are % of the devices' time, and all are of the fleet's ledger.

    Attributes:
      num_jobs: by what became of them: `done`, `stopped`, `refused`, `failed`, `waiting`, `running`.
      num_devices: at the end.
      span_s: from the first submission to the last end.
      allocated_pct: given to jobs: SG, the scheduling goodput, as %.
      used_pct: in which jobs made steps, those that were done again among them.
      kept_pct: in which they made steps that were kept: SG x RG.
      fragmented_pct: free, and of use to none of the jobs that waited; of typical ones, while none did.
      idle_pct: free otherwise.
      broken_pct: free on nodes that take no work.
      sg, rg: as the fleet's account has them.
      device_h: by leaf of the account.
      waited: by class, of size where nothing else is said, and `all`: from submission to the first start.
      took: by class, and `all`: from submission to the end.
      num_preempted, num_interrupted: attempts that had to leave, and those whose node its owner took back.
      lost_device_s: work done again.
      cost: of what jobs were given, in millionths of the currency; `cost_by_pool`, `cost_by_team` likewise.
      refused: why jobs could not be placed, and how many each.
      left_out: why rows of a table are no jobs that can be played, and how many each.
    """

    policy: str
    num_jobs: Mapping[str, int]
    num_devices: float
    span_s: float
    allocated_pct: float
    used_pct: float
    kept_pct: float
    fragmented_pct: float
    idle_pct: float
    broken_pct: float
    sg: float
    rg: float
    device_h: Mapping[str, float]
    waited: Mapping[str, Quantiles]
    took: Mapping[str, Quantiles]
    num_preempted: int
    num_interrupted: int
    lost_device_s: float
    cost: int
    cost_by_pool: Mapping[str, int]
    cost_by_team: Mapping[str, int]
    refused: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What a page draws of a play besides.

    Attributes:
      length_s: from its begin to its end.
      devices: by leaf, the mean of each of equally long windows.
      waited_s, took_s: as long as so much of the jobs at most: (%, seconds), rising.
    """

    length_s: float
    devices: tuple[Mapping[str, float], ...]
    waited_s: tuple[tuple[float, float], ...]
    took_s: tuple[tuple[float, float], ...]


def summary(
    policy: str,
    stories: Iterable[Story],
    fleet: Fleet,
    *,
    kind: Callable[[Story], str] | None = None,
    left_out: Mapping[str, int] | None = None,
) -> Summary:
    """Of a play by one policy. Args: kind: class of a job; of size by default; left_out: as in what comes back."""
    kind = kind or _size
    stories = list(stories)
    found = statement(fleet, 0, fleet.read_at_ns, by=("pool", "team"))
    whole = found.whole
    given: Counter[str] = Counter()
    paid: dict[str, Counter[str]] = {"pool": Counter(), "team": Counter()}
    for (pool, team), row in found.rows.items():
        money = sum(row.money.get(leaf, 0) for leaf in Leaf)
        given["all"] += money
        paid["pool"][pool] += money
        paid["team"][team] += money if team else 0
    pct = _parts(whole)
    first_s = min((story.job.submitted_s for story in stories), default=0.0)
    return Summary(
        policy=policy,
        num_jobs=dict(Counter(story.outcome for story in stories)),
        num_devices=sum(curve.level_at(fleet.read_at_ns).capacity for curve in fleet.pools.values()) / MILLI,
        span_s=fleet.read_at_ns / NS_PER_S - first_s,
        **pct,
        sg=whole.sg,
        rg=whole.rg,
        device_h={leaf: milli_ns / _MILLI_NS / 3600 for leaf, milli_ns in whole.leaves.items()},
        waited=_by_class(stories, kind, lambda story: story.wait_s),
        took=_by_class(stories, kind, _took_s),
        num_preempted=sum(max(0, len(story.starts_s) - 1 - story.num_interrupted) for story in stories),
        num_interrupted=sum(story.num_interrupted for story in stories),
        lost_device_s=sum(story.lost_s for story in stories),
        cost=micros(given["all"]),
        cost_by_pool={pool: micros(money) for pool, money in sorted(paid["pool"].items()) if money},
        cost_by_team={team: micros(money) for team, money in sorted(paid["team"].items()) if money},
        refused=dict(Counter(story.reason for story in stories if story.outcome == "refused").most_common()),
        left_out=left_out or {},
    )


def course(stories: Iterable[Story], fleet: Fleet) -> Course:
    """How it went."""
    stories = list(stories)
    num = min(NUM_WINDOWS, max(1, fleet.read_at_ns))
    edges_ns = [fleet.read_at_ns * at // num for at in range(num + 1)] if fleet.read_at_ns else [0, 1]
    windows = leaves_over_time(fleet, edges_ns)
    spans_ns = [after - before for before, after in pairwise(edges_ns)]
    return Course(
        length_s=fleet.read_at_ns / NS_PER_S,
        devices=tuple(
            {leaf: milli_ns / MILLI / span_ns for leaf, milli_ns in window.items()}
            for window, span_ns in zip(windows, spans_ns, strict=True)
        ),
        waited_s=_steps(story.wait_s for story in stories),
        took_s=_steps(map(_took_s, stories)),
    )


def size_class(request: Request) -> str:
    """What jobs are compared with each other."""
    if request.min_nodes > 1:
        return "several nodes"
    if request.gpu_milli > MILLI:
        return "several GPUs"
    return "one GPU" if request.gpu_milli else "no GPU"


def _parts(whole: FleetAccount) -> dict[str, float]:
    """Of the devices' time, in %."""

    def pct(*leaves: str) -> float:
        return 100 * sum(whole.leaves.get(leaf, 0) for leaf in leaves) / whole.capacity if whole.capacity else 0.0

    return {
        "allocated_pct": 100 * whole.sg,
        "used_pct": pct(Leaf.PRODUCTIVE, Leaf.LOST),
        "kept_pct": pct(Leaf.PRODUCTIVE),
        "fragmented_pct": pct(FreeLeaf.FRAGMENTED),
        "idle_pct": pct(FreeLeaf.IDLE),
        "broken_pct": pct(FreeLeaf.BROKEN, FreeLeaf.DRAINING),
    }


def _took_s(story: Story) -> float | None:
    return story.ends_s[-1] - story.job.submitted_s if story.outcome == "done" else None


def _size(story: Story) -> str:
    return size_class(story.job.request)


def _by_class(
    stories: Iterable[Story], kind: Callable[[Story], str], seconds: Callable[[Story], float | None]
) -> dict[str, Quantiles]:
    found: dict[str, list[float]] = {"all": []}
    for story in stories:
        value = seconds(story)
        if value is not None:
            found["all"].append(value)
            found.setdefault(kind(story), []).append(value)
    return {name: Quantiles.of(values) for name, values in sorted(found.items())}


def _steps(values_s: Iterable[float | None]) -> tuple[tuple[float, float], ...]:
    """Quantiles at equally many % of the jobs."""
    ascending = sorted(value for value in values_s if value is not None)
    if not ascending:
        return ()
    last = len(ascending) - 1
    return tuple((100 * at / NUM_STEPS, ascending[last * at // NUM_STEPS]) for at in range(NUM_STEPS + 1))
