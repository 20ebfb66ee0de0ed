"""Pods drawn from a list until the demand is reached, placed one at a time, by one rule or several.

The published protocol of FGD (ATC'23): shuffle the list, append pods drawn from it until the milli that they ask of
each device would pass the demand; place each at once, never move one. Allocation is the mean over the arrivals at which
the share of all devices that was asked for rounds to the demand.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drivetrain.compute.policy.packing import WHOLE, Machine, Rule, Shape
from drivetrain.compute.policy.packing.pack import NOTHING, Events, models_of, pack
from drivetrain.compute.simulate.openb import Pod
from drivetrain.core.errors import DataError

MOST_EVENTS = 2_000_000
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a rule made of a replay.

    Attributes:
      gpu_allocation_pct: of all devices, when arrivals have asked for `demand_pct` of them.
      refused_pct: by class of pod, of those that came until then.
      num_impossible: of those, how many no empty node could take; `impossible` names some of the pods.
      us_per_placement: wall time of the replay by arrival, machine code already made.
    """

    policy: str
    seed: int
    demand_pct: float
    num_nodes: int
    num_gpus: int
    num_arrivals: int
    num_refused: int
    gpu_allocation_pct: float
    refused_pct: Mapping[str, float]
    num_impossible: int
    impossible: tuple[str, ...]
    us_per_placement: float
    took_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Arrivals in their order, and the nodes in the order in which ties are broken."""

    pods: tuple[Pod, ...]
    machines: tuple[Machine, ...]
    draws: Any


def draw(pods: Sequence[Pod], machines: Sequence[Machine], *, seed: int, demand_pct: float) -> Drawn:
    """What comes, by the published protocol; the only place with randomness.

    Raises: DataError: the pods or the nodes have no devices, or so few that the demand would take too many pods.
    """
    import numpy as np

    capacity = WHOLE * sum(machine.num_gpus for machine in machines)
    wanted = demand_pct / 100 * capacity
    mean = sum(pod.shape.gpu_milli for pod in pods) / len(pods)
    if capacity == 0:
        raise DataError("the nodes have no GPUs, so that no share of them can be allocated")
    if mean * MOST_EVENTS < wanted:
        raise DataError(
            f"the pods ask for {mean:.2g} milli of a GPU in the mean: {MOST_EVENTS:,} do not make the demand"
        )
    source = random.Random(seed)  # noqa: S311 - a replay is repeatable, not secret
    shuffled = list(pods)
    source.shuffle(shuffled)
    drawn: list[Pod] = []
    asked = 0
    while True:
        pod = shuffled[len(drawn)] if len(drawn) < len(shuffled) else source.choice(pods)
        asked += pod.shape.gpu_milli
        if asked > wanted or len(drawn) == MOST_EVENTS:
            break
        drawn.append(pod)
    order = list(machines)
    source.shuffle(order)
    return Drawn(tuple(drawn), tuple(order), np.random.default_rng(seed).random((len(drawn), 2)))


def replay(pods: Sequence[Pod], machines: Sequence[Machine], rule: Rule, *, seed: int, demand_pct: float) -> Report:
    """What a rule makes of a list. The rule knows how often each shape is in the list, not what comes next."""
    import numpy as np

    drawn = draw(pods, machines, seed=seed, demand_pct=demand_pct)
    shapes = sorted({pod.shape for pod in drawn.pods}, key=_key)
    index = {shape: at for at, shape in enumerate(shapes)}
    arrivals = np.array([index[pod.shape] for pod in drawn.pods], np.int64)
    events = Events(arrivals, np.full(len(arrivals), NOTHING, np.int64), drawn.draws)
    known = rule.learn([pod.shape for pod in pods], models_of(drawn.machines))
    pack(drawn.machines, shapes, Events(arrivals[:1], events.departures[:1], events.draws[:1]), rule, known)
    began_s = time.perf_counter()
    packed = pack(drawn.machines, shapes, events, rule, known)
    took_s = time.perf_counter() - began_s
    return _report(rule, drawn, packed.nodes != NOTHING, took_s, seed=seed, demand_pct=demand_pct)


def _key(shape: Shape) -> tuple[int, int, int, int, list[str]]:
    return shape.num_gpus, shape.gpu_milli, shape.cpu_milli, shape.memory_mib, sorted(shape.models)


def _report(rule: Rule, drawn: Drawn, is_placed: Any, took_s: float, *, seed: int, demand_pct: float) -> Report:
    import numpy as np

    num_gpus = sum(machine.num_gpus for machine in drawn.machines)
    milli = np.array([pod.shape.total_milli for pod in drawn.pods], np.int64)
    to_pct = 100 / (WHOLE * num_gpus)
    asked_pct, allocated_pct = np.cumsum(milli) * to_pct, np.cumsum(milli * is_placed) * to_pct
    is_at = np.round(asked_pct) == round(demand_pct)
    counted = max(int(np.sum(np.round(asked_pct) <= round(demand_pct))), 1)
    came = Counter(pod.shape.kind for pod in drawn.pods[:counted])
    refused = Counter(pod.shape.kind for pod, ok in zip(drawn.pods[:counted], is_placed, strict=False) if not ok)
    hopeless = {shape for shape in {pod.shape for pod in drawn.pods} if not _is_possible(shape, drawn.machines)}
    impossible = [pod.name for pod in drawn.pods[:counted] if pod.shape in hopeless]
    return Report(
        policy=rule.name,
        seed=seed,
        demand_pct=demand_pct,
        num_nodes=len(drawn.machines),
        num_gpus=num_gpus,
        num_arrivals=counted,
        num_refused=refused.total(),
        gpu_allocation_pct=round(float(allocated_pct[is_at].mean() if is_at.any() else allocated_pct[counted - 1]), 4),
        refused_pct={kind: round(100 * refused[kind] / came[kind], 3) for kind in sorted(came)},
        num_impossible=len(impossible),
        impossible=tuple(sorted(set(impossible))[:_MOST_NAMED]),
        us_per_placement=round(1e6 * took_s / max(len(drawn.pods), 1), 3),
        took_s=round(took_s, 4),
    )


def _is_possible(shape: Shape, machines: Sequence[Machine]) -> bool:
    """Whether some node could take a shape were it empty."""
    return any(
        machine.cpu_milli >= shape.cpu_milli
        and machine.memory_mib >= shape.memory_mib
        and machine.num_gpus >= shape.num_gpus
        and (shape.num_gpus == 0 or not shape.models or machine.model in shape.models)
        for machine in machines
    )
