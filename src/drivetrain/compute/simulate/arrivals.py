"""What comes and goes in a study of packing, from a list of pods and a seed; the only place with randomness.

`drawn` is the published protocol of FGD (ATC'23): shuffle the list, append pods drawn from it until the milli that they
ask of each device would pass the demand; nothing leaves.

`churned` has them leave too. The list is taken to repeat without end, as many times over at once as makes the demand;
it begins in the middle: what would be alive then comes first, with what is left of its life.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from drivetrain.compute.policy.packing import WHOLE, Machine, Shape
from drivetrain.compute.policy.packing.pack import NOTHING, Events
from drivetrain.compute.simulate.openb import Pod, check_times
from drivetrain.core.errors import DataError

MOST_EVENTS = 2_000_000
NUM_TURNS = 3
"""How often as many pods as the list has come, after those that are alive at the beginning."""


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What happens.

    Attributes:
      machines: the nodes, in the order in which ties are broken.
      shapes: what is asked for, each once.
      pods: which pod of the list each event is about, [E].
      events: what happens, in order.
      times_s: when; None where nothing leaves and only order counts. float64 [E].
      num_before: events that only make the state to begin with.
    """

    machines: tuple[Machine, ...]
    shapes: tuple[Shape, ...]
    pods: Any
    events: Events
    times_s: Any = None
    num_before: int = 0


def drawn(pods: Sequence[Pod], machines: Sequence[Machine], *, seed: int, demand_pct: float) -> Trace:
    """Arrivals alone, by the published protocol.

    Raises: DataError: the pods or the nodes have no devices, or so few that the demand would take too many pods.
    """
    import numpy as np

    wanted = demand_pct / 100 * _capacity(machines)
    mean = sum(pod.shape.gpu_milli for pod in pods) / len(pods)
    _check_number(wanted / mean if mean else np.inf)
    source = random.Random(seed)  # noqa: S311 - a replay is repeatable, not secret
    shuffled = list(range(len(pods)))
    source.shuffle(shuffled)
    chosen: list[int] = []
    asked = 0
    while len(chosen) < MOST_EVENTS:
        at = shuffled[len(chosen)] if len(chosen) < len(shuffled) else source.randrange(len(pods))
        asked += pods[at].shape.gpu_milli
        if asked > wanted:
            break
        chosen.append(at)
    order = list(machines)
    source.shuffle(order)
    shapes, index = _shapes(pods)
    events = Events(
        arrivals=index[chosen],
        departures=np.full(len(chosen), NOTHING, np.int64),
        draws=np.random.default_rng(seed).random((len(chosen), 2)),
    )
    return Trace(tuple(order), shapes, np.array(chosen, np.int64), events)


def churned(pods: Sequence[Pod], machines: Sequence[Machine], *, seed: int, demand_pct: float) -> Trace:
    """Arrivals and departures by the list's own times, with `demand_pct` of all devices asked for at any time.

    Raises: DataError: as `drawn`; or the list has no times.
    """
    import numpy as np

    lives_s, span_s = _lives(pods)
    milli = np.array([pod.shape.total_milli for pod in pods])
    busy = float((milli * lives_s).sum()) / span_s
    copies = demand_pct / 100 * _capacity(machines) / busy if busy else np.inf
    num_coming = NUM_TURNS * len(pods)
    _check_number(copies * float(lives_s.sum()) / span_s + 2 * num_coming)
    source = np.random.default_rng(seed)
    alive = np.repeat(np.arange(len(pods)), source.poisson(copies * lives_s / span_s))
    source.shuffle(alive)
    coming = source.integers(len(pods), size=num_coming)
    window_s = NUM_TURNS * span_s / copies
    begins_s = np.concatenate([np.zeros(len(alive)), np.sort(source.random(num_coming)) * window_s])
    lasts_s = np.concatenate([source.random(len(alive)) * lives_s[alive], lives_s[coming]])
    order = [machines[at] for at in source.permutation(len(machines))]
    return _merged(pods, order, np.concatenate([alive, coming]), begins_s, begins_s + lasts_s, len(alive), source)


def _merged(
    pods: Sequence[Pod], machines: Sequence[Machine], who: Any, begins_s: Any, ends_s: Any, num_before: int, source: Any
) -> Trace:
    """Arrivals, in their order, and the departures until the last of them, by time; first what leaves of one time."""
    import numpy as np

    leaving = np.flatnonzero(ends_s < begins_s[-1])
    times_s = np.concatenate([begins_s, ends_s[leaving]])
    is_arrival = np.concatenate([np.ones(len(who), bool), np.zeros(len(leaving), bool)])
    order = np.lexsort((np.arange(len(times_s)), is_arrival, times_s))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    shapes, index = _shapes(pods)
    arrivals = np.concatenate([index[who], np.full(len(leaving), NOTHING)])
    departures = np.concatenate([np.full(len(who), NOTHING), place[leaving]])
    events = Events(arrivals[order], departures[order], source.random((len(order), 2)))
    return Trace(
        tuple(machines), shapes, np.concatenate([who, who[leaving]])[order], events, times_s[order], num_before
    )


def _shapes(pods: Sequence[Pod]) -> tuple[tuple[Shape, ...], Any]:
    """Each shape once, and the shape of each pod by its index."""
    import numpy as np

    numbers: dict[Shape, int] = {}
    index = [numbers.setdefault(pod.shape, len(numbers)) for pod in pods]
    return tuple(numbers), np.array(index, np.int64)


def _lives(pods: Sequence[Pod]) -> tuple[Any, float]:
    """How long each pod lives, at least a second, and the time from the first one's coming to the last one's going."""
    import numpy as np

    check_times(pods, hint="only a list with both can be replayed with departures")
    created, deleted = np.array([(pod.created_s, pod.deleted_s) for pod in pods], np.float64).T
    return np.maximum(deleted - created, 1.0), float(max(deleted.max() - created.min(), 1.0))


def _capacity(machines: Sequence[Machine]) -> int:
    capacity = WHOLE * sum(machine.num_gpus for machine in machines)
    if capacity == 0:
        raise DataError("the nodes have no GPUs, so that no share of them can be allocated")
    return capacity


def _check_number(num_events: float) -> None:
    if math.isinf(num_events):
        raise DataError("none of the pods asks for a GPU, so that they make no demand for any")
    if num_events > MOST_EVENTS:
        raise DataError(
            f"the demand would take {num_events:,.0f} pods of this list, expected at most {MOST_EVENTS:,}",
            hint="a smaller --demand, fewer nodes, or pods that ask for more",
        )
