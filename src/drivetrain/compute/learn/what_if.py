"""What would change with other devices: the fleet as it is and as it would be are played forward side by side."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from drivetrain.compute.learn.draws import Draws
from drivetrain.compute.learn.run_times import History
from drivetrain.compute.learn.waiting import COARSER, EVERY_S, IDLE_PART, come_again, drawn_runs
from drivetrain.compute.policy.values import MILLI, Node, Snapshot
from drivetrain.compute.simulate.values import Arrival
from drivetrain.compute.simulate.world import World
from drivetrain.core.config import nearest
from drivetrain.core.errors import UsageError

NUM_PLAYS = 5
MOST_ADDED = 100_000
NEW_GPUS_PER_NODE = 8
FEW = 10
"""While no more wait, whoever comes is planned for at once: else they would wait for the next plan on an idle fleet."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to be expected over a time.

    Attributes:
      num_gpus: in all; cores, where nodes have no accelerators.
      mean_wait_s: of jobs that wait now or come and can be placed, until they start or the time is over.
      num_started: of these.
      allocated_pct: of the devices' time.
    """

    num_gpus: int
    mean_wait_s: float
    num_started: float
    allocated_pct: float


def parse_change(text: str) -> tuple[str, int]:
    """A kind and how many more of it, from such as `H100:16`. Raises: UsageError."""
    kind, colon, number = text.partition(":")
    if not kind or not colon or not number.isdecimal() or not 1 <= int(number) <= MOST_ADDED:
        raise UsageError(f"{text[:40]!r} is no change of the fleet", hint="a kind and how many more of it: H100:16")
    return kind, int(number)


def with_more(snapshot: Snapshot, kind: str, num_gpus: int) -> Snapshot:
    """The fleet with more nodes of a kind, such as it has most of; the last one may be smaller.

    A kind that is new comes on nodes of `NEW_GPUS_PER_NODE`, in a pool of its own. Raises: UsageError.
    """
    same = [node for node in snapshot.nodes if node.gpu.lower() == kind.lower() and node.num_gpus]
    if not same:
        guess = nearest(kind, sorted({node.gpu for node in snapshot.nodes if node.gpu}))
        if guess:
            raise UsageError(
                f"there is no node with GPUs of kind {kind!r} to add more of", hint=f"did you mean {guess}?"
            )
        same = [_new_node(snapshot, kind)]
    sizes = Counter((node.num_gpus, node.pool, node.cpus, node.memory_bytes, node.gpu) for node in same)
    (per_node, pool, cpus, memory_bytes, gpu), _ = max(sizes.items(), key=lambda entry: (entry[1], entry[0]))
    added = []
    for at in range(-(-num_gpus // per_node)):
        here = min(per_node, num_gpus - at * per_node)
        free = (MILLI,) * here
        added.append(Node(f"added-{len(snapshot.nodes) + at}", pool, free, gpu, cpus, cpus, memory_bytes, memory_bytes))
    return replace(snapshot, nodes=(*snapshot.nodes, *added))


def _new_node(snapshot: Snapshot, kind: str) -> Node:
    """A node of a kind that the fleet has none of, with as many cores and as much memory as the largest there is."""
    cpus = max((node.cpus for node in snapshot.nodes), default=0.0)
    memory_bytes = max((node.memory_bytes for node in snapshot.nodes), default=0)
    return Node("", f"new {kind}", (MILLI,) * NEW_GPUS_PER_NODE, kind, cpus, cpus, memory_bytes, memory_bytes)


def outlook(
    snapshot: Snapshot,
    now_s: float,
    history: History,
    recent: Sequence[Arrival] = (),
    *,
    over_s: float,
    seed: int = 0,
    num: int = NUM_PLAYS,
    is_over: Callable[[], bool] = lambda: False,
) -> Outlook:
    """The mean of so many plays; nodes that are down are none.

    Args:
      recent: what came lately; the like of it comes again.
      is_over: asked after each plan, whether there is no time any more.
    Raises: UsageError: it is over before the plays are.
    """
    snapshot = replace(snapshot, nodes=tuple(node for node in snapshot.nodes if node.state != "down"))
    waits_s, started, allocated, capacity = 0.0, 0, 0.0, 0.0
    num_jobs = 0
    for number in range(num):
        rng = random.Random(f"{seed} {number}")  # noqa: S311 - a draw, no secret
        draws = Draws(history, rng, snapshot.running, now_s)
        world = World(
            snapshot,
            now_s,
            runs_s=drawn_runs(snapshot, now_s, draws),
            every_s=EVERY_S,
            coarser=COARSER,
            idle_part=IDLE_PART,
            few=FEW,
        )
        world.arrive(come_again(recent, now_s, draws, rng))
        world.run(now_s + over_s, until=lambda _: is_over())
        if world.now_s < now_s + over_s:
            raise UsageError("this is too much to play forward in the time there is", hint="--over 1h looks less far")
        before = {job.job for job in snapshot.running}
        for name, story in world.stories.items():
            if name not in before and story.outcome != "refused":
                num_jobs += 1
                started += bool(story.starts_s)
                end_s = story.starts_s[0] if story.starts_s else world.now_s
                waits_s += end_s - max(now_s, story.job.submitted_s)
        allocated += sum(use.allocated for use in world.use.values())
        capacity += sum(use.capacity for use in world.use.values())
    return Outlook(
        sum(node.num_gpus for node in snapshot.nodes),
        waits_s / max(1, num_jobs),
        started / num,
        100 * allocated / capacity if capacity else 0.0,
    )
