"""What came of a play: what the devices did, how long jobs waited and took, what was lost and what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from drivetrain.compute.policy.values import MILLI, Pool, Request
from drivetrain.compute.simulate.values import Story
from drivetrain.compute.simulate.world import World


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


@dataclass(frozen=True, slots=True)
class Summary:
    """Of one policy over one play.

    Attributes:
      num_jobs: by what became of them: `done`, `stopped`, `refused`, `waiting`, `running`.
      allocated_pct: of the devices' time, given to jobs.
      unfilled_pct: free while some job waited.
      kept_pct: given to jobs, and not done again: the scheduling goodput, of the devices' time.
      waited: by class of size, and `all`: from submission to the first start.
      took: by class of size, and `all`: from submission to the end.
      num_preempted: attempts that others took the place of.
      lost_device_s: work done again.
      cost: of all that was given, in millionths of the currency.
      span_s: from the first submission to the last end.
      refused: why jobs could not be placed, and how many each.
    """

    policy: str
    num_jobs: Mapping[str, int]
    allocated_pct: float
    unfilled_pct: float
    kept_pct: float
    waited: Mapping[str, Quantiles]
    took: Mapping[str, Quantiles]
    num_preempted: int
    lost_device_s: float
    cost: int
    span_s: float
    refused: Mapping[str, int] = field(default_factory=dict)


def summary(world: World, policy: str, pools: Sequence[Pool]) -> Summary:
    """Of a world that was played."""
    stories = list(world.stories.values())
    outcomes: dict[str, int] = {}
    for story in stories:
        outcomes[story.outcome] = outcomes.get(story.outcome, 0) + 1
    capacity = sum(use.capacity for use in world.use.values()) or 1.0
    allocated = sum(use.allocated for use in world.use.values())
    lost_s = sum(story.lost_s for story in stories)
    price = {pool.name: pool.price_per_gpu_h for pool in pools}
    return Summary(
        policy,
        outcomes,
        100 * allocated / capacity,
        100 * sum(use.unfilled for use in world.use.values()) / capacity,
        100 * max(0.0, allocated - lost_s * MILLI) / capacity,
        _by_class(stories, lambda story: story.wait_s),
        _by_class(stories, lambda story: story.ends_s[-1] - story.job.submitted_s if story.outcome == "done" else None),
        sum(max(0, len(story.starts_s) - 1) for story in stories),
        lost_s,
        round(sum(use.allocated / MILLI / 3600 * price.get(pool, 0) for pool, use in world.use.items())),
        world.now_s - min((story.job.submitted_s for story in stories), default=world.now_s),
        dict(Counter(story.reason for story in stories if story.outcome == "refused").most_common()),
    )


def size_class(request: Request) -> str:
    """What jobs are compared with each other."""
    if request.min_nodes > 1:
        return "several nodes"
    if request.gpu_milli > MILLI:
        return "several GPUs"
    return "one GPU" if request.gpu_milli else "no GPU"


def _by_class(stories: Iterable[Story], seconds: Callable[[Story], float | None]) -> dict[str, Quantiles]:
    found: dict[str, list[float]] = {"all": []}
    for story in stories:
        value = seconds(story)
        if value is not None:
            found["all"].append(value)
            found.setdefault(size_class(story.job.request), []).append(value)
    return {name: Quantiles.of(values) for name, values in sorted(found.items())}
