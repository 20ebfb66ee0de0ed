"""When the owners of spot pools take their nodes back: each node by its pool's rate, drawn from a seed."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable

from drivetrain.compute.policy.values import Pool
from drivetrain.compute.simulate.site import Site


class Taken:
    """Which node is taken next, and when. Another one like it takes its place at once.

    The times of a node go by the seed and its name alone, so that policies that are compared meet the same ones.
    """

    def __init__(self, site: Site, seed: int) -> None:
        rates = {pool.name: pool.interruptions_per_h / 3600 for pool in _interrupted(site.settings.pools)}
        self._rates = {node.name: rates[node.pool] for node in site.nodes if node.pool in rates}
        self._draws = {name: random.Random(f"{seed} {name}") for name in self._rates}  # noqa: S311 - no secret
        self._next = [(self._draws[name].expovariate(rate), name) for name, rate in self._rates.items()]
        heapq.heapify(self._next)

    def after(self, now_s: float) -> float:
        """When the next is taken; infinite where none is ever. Those before `now_s` are passed over."""
        while self._next and self._next[0][0] < now_s:
            self.take()
        return self._next[0][0] if self._next else float("inf")

    def take(self) -> str:
        """The next one's name."""
        at_s, name = self._next[0]
        heapq.heapreplace(self._next, (at_s + self._draws[name].expovariate(self._rates[name]), name))
        return name


def _interrupted(pools: Iterable[Pool]) -> list[Pool]:
    return [pool for pool in pools if pool.interruptions_per_h > 0]
