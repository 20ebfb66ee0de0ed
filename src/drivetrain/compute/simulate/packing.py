"""A study of packing: what comes and goes -> what one rule makes of it, in figures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drivetrain.compute.policy.packing import WHOLE, Machine, Rule, Shape
from drivetrain.compute.policy.packing.pack import NOTHING, Events, Packed, pack
from drivetrain.compute.simulate.arrivals import Trace, churned, drawn
from drivetrain.compute.simulate.openb import Pod

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a rule made of it.

    Attributes:
      gpu_allocation_pct: of all devices. Without departures the mean over the arrivals at which what was asked for
        rounds to the demand; with them, the mean over time.
      num_by_class: arrivals that count, by class of pod.
      refused_pct: of those.
      fragment_pct: of all devices, what is free at the end and of no use to a typical pod, expected.
      num_impossible: arrivals that no node could take were it empty; `impossible` names some of the pods.
      us_per_placement: CPU time of the replay by arrival, machine code already made.
    """

    policy: str
    seed: int
    demand_pct: float
    has_departures: bool
    num_nodes: int
    num_gpus: int
    num_arrivals: int
    num_refused: int
    gpu_allocation_pct: float
    fragment_pct: float
    num_by_class: Mapping[str, int]
    refused_pct: Mapping[str, float]
    num_impossible: int
    impossible: tuple[str, ...]
    us_per_placement: float
    took_s: float


def replay(
    pods: Sequence[Pod],
    machines: Sequence[Machine],
    rule: Rule,
    *,
    seed: int,
    demand_pct: float,
    has_departures: bool = False,
    advance: Callable[[int], object] = lambda _: None,
) -> Report:
    """What a rule makes of a list of pods. It knows how often each shape is in the list, and not what comes next.

    With departures, a rule that learns by time knows what is asked for when the replay begins instead.

    Args:
      advance: told how many % are done.
    Raises: DataError: the lists cannot make such a demand.
    """
    began_s = time.perf_counter()
    trace = (churned if has_departures else drawn)(pods, machines, seed=seed, demand_pct=demand_pct)
    there = trace.pods[: trace.num_before].tolist() if rule.learns_by_time else []
    known = rule.learn([pods[at].shape for at in there] or [pod.shape for pod in pods], trace.machines)
    nothing = Events(trace.events.arrivals[:0], trace.events.departures[:0], trace.events.draws[:0])
    pack(trace.machines, trace.shapes, nothing, rule, known)
    cpu_s = time.thread_time()
    packed = pack(
        trace.machines, trace.shapes, trace.events, rule, known, lambda done: advance(100 * done // len(trace.events))
    )
    cpu_s = time.thread_time() - cpu_s
    allocated_pct, counted = _allocated(trace, packed, demand_pct)
    came, refused, impossible = _counts(pods, trace, packed, counted)
    capacity = WHOLE * sum(machine.num_gpus for machine in trace.machines)
    return Report(
        policy=rule.name,
        seed=seed,
        demand_pct=demand_pct,
        has_departures=has_departures,
        num_nodes=len(trace.machines),
        num_gpus=capacity // WHOLE,
        num_arrivals=came.total(),
        num_refused=refused.total(),
        gpu_allocation_pct=round(allocated_pct, 4),
        fragment_pct=round(100 * packed.fragment_milli / capacity, 4),
        num_by_class=dict(sorted(came.items())),
        refused_pct={kind: round(100 * refused[kind] / came[kind], 3) for kind in sorted(came)},
        num_impossible=impossible.total(),
        impossible=tuple(sorted(impossible)[:_MOST_NAMED]),
        us_per_placement=round(1e6 * cpu_s / max(int((trace.events.arrivals != NOTHING).sum()), 1), 3),
        took_s=round(time.perf_counter() - began_s, 4),
    )


def _allocated(trace: Trace, packed: Packed, demand_pct: float) -> tuple[float, slice]:
    """% of all devices that are allocated, and the events that count."""
    import numpy as np

    events = trace.events
    capacity = WHOLE * sum(machine.num_gpus for machine in trace.machines)
    milli = np.array([shape.total_milli for shape in trace.shapes], np.int64)
    is_arrival = events.arrivals != NOTHING
    about = np.where(is_arrival, np.arange(len(events)), events.departures)
    asked = milli[events.arrivals[about]]
    is_placed = packed.nodes[about] != NOTHING
    allocated_pct = 100 / capacity * np.cumsum(asked * is_placed * np.where(is_arrival, 1, -1))
    if trace.times_s is None:
        asked_pct = np.round(100 / capacity * np.cumsum(asked))
        num = max(int((asked_pct <= round(demand_pct)).sum()), 1)
        is_at = asked_pct[:num] == round(demand_pct)
        return float(allocated_pct[:num][is_at].mean() if is_at.any() else allocated_pct[num - 1]), slice(num)
    begin = max(trace.num_before - 1, 0)
    lasts_s = np.diff(trace.times_s[begin:])
    total_s = float(lasts_s.sum())
    mean = float((allocated_pct[begin:-1] * lasts_s).sum()) / total_s if total_s else float(allocated_pct[-1])
    return mean, slice(trace.num_before, len(events))


def _counts(
    pods: Sequence[Pod], trace: Trace, packed: Packed, counted: slice
) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Arrivals by class, those of them that were refused, and the impossible ones by name."""
    kinds = [shape.kind for shape in trace.shapes]
    hopeless = {at for at, shape in enumerate(trace.shapes) if not _is_possible(shape, trace.machines)}
    came: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    impossible: Counter[str] = Counter()
    columns: list[Any] = [trace.events.arrivals, packed.nodes, trace.pods]
    for shape, node, pod in zip(*(column[counted].tolist() for column in columns), strict=True):
        if shape == NOTHING:
            continue
        came[kinds[shape]] += 1
        refused[kinds[shape]] += node == NOTHING
        if shape in hopeless:
            impossible[pods[pod].name] += 1
    return came, refused, impossible


def _is_possible(shape: Shape, machines: Sequence[Machine]) -> bool:
    """Whether some node could take a shape were it empty."""
    return any(
        machine.cpu_milli >= shape.cpu_milli
        and machine.memory_mib >= shape.memory_mib
        and machine.num_gpus >= shape.num_gpus
        and (shape.num_gpus == 0 or not shape.models or machine.model in shape.models)
        for machine in machines
    )
