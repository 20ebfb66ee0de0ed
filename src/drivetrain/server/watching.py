"""What engines see, into what the controller knows: nodes that come and go, agents that are gone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.states import AttemptState
from drivetrain.compute.controller.world import World
from drivetrain.compute.engines import Engine
from drivetrain.core.errors import StoreError
from drivetrain.server.asking import Asking
from drivetrain.server.endings import Endings

_AWAY_S = 10.0
_MOST_SAID = 8
_SLOW_S = 5.0
"""After so long it is told what keeps an attempt from beginning, which any waits for a moment."""


class Watching:
    """Looks at all engines; one that does not answer keeps nobody from the others.

    Of an engine that has not answered for a while, nodes count as down: nothing is placed there. What runs there is
    not lost for that.
    """

    def __init__(
        self, engines: Mapping[str, Engine], asking: Asking, endings: Endings, note: Callable[[str], None]
    ) -> None:
        self._engines, self._asking, self._endings, self._note = engines, asking, endings, note
        self._away_s: dict[str, float] = {}
        self._said: set[tuple[str, str]] = set()
        self._seen: dict[str, frozenset[str]] = {}

    def look(self, world: World, now_s: float) -> bool:
        """Once; whether anything is new that a policy should know."""
        is_new = False
        for pool, engine in self._engines.items():
            try:
                is_new |= self._see(world, pool, engine, now_s)
            except StoreError as exc:
                is_new |= self._miss(world, pool, exc.message, now_s)
            else:
                self._away_s.pop(pool, None)
        return is_new

    def _see(self, world: World, pool: str, engine: Engine, now_s: float) -> bool:
        seen = {node.name: node for node in engine.nodes()}
        self._seen[pool] = frozenset(seen)
        taken = self._taken(world, pool, seen)
        is_new = _see_nodes(world, pool, {name: node for name, node in seen.items() if name not in taken})
        living = engine.living()
        for attempt, member in list(self._asking.lost(world, pool, living, now_s)):
            if self._endings.is_open(world, attempt, now_s):
                continue
            if why := self._asking.why_not_begun(attempt, member):
                world.cannot_start(attempt, why, now_s)
            elif why := self._asking.why_not_taken(attempt):
                world.not_taken(attempt, f"not taken by pool {pool}: {why}", now_s)
            else:
                world.lost(attempt, member, now_s)
            is_new = True
        self._asking.tidy(world, pool, engine, living, now_s)
        for each in list(world.attempts.values()):
            if each.pool == pool and each.state is AttemptState.PLACED and now_s - each.placed_s >= _SLOW_S:
                world.held_up(each.id, self._asking.why_not_taken(each.id) or engine.held_up(each.id))
        return is_new

    def _taken(self, world: World, pool: str, seen: Collection[str]) -> set[str]:
        """Those that another pool has, as of partitions that share nodes: a node is of one pool while it is there."""
        pools = {each.name for each in world.settings.pools} - {pool}
        known = [world.nodes[name] for name in seen if name in world.nodes]
        theirs = [node for node in known if node.pool in pools]
        is_there = {node.name for node in theirs if node.state != "down" or node.name in self._seen.get(node.pool, ())}
        taken = {node.name: node.pool for node in theirs if node.name in is_there}
        for other in sorted({*taken.values()}):
            if (pool, other) not in self._said:
                self._said.add((pool, other))
                names = ", ".join(sorted(name for name in taken if taken[name] == other)[:_MOST_SAID])
                self._note(
                    f"pool {pool}: {names} are in pool {other} already, and stay there; no two pools share nodes"
                )
        return {*taken}

    def _miss(self, world: World, pool: str, why: str, now_s: float) -> bool:
        if pool not in self._away_s:
            self._away_s[pool] = now_s
            self._note(f"pool {pool}: {why}")
        if abs(now_s - self._away_s[pool]) < _AWAY_S:
            return False
        nodes = [node for node in world.nodes.values() if node.pool == pool and node.state == "up"]
        for node in nodes:
            world.set_node(replace(node, state="down", evidence="its engine does not answer"))
        return bool(nodes)


def _see_nodes(world: World, pool: str, seen: Mapping[str, NodeRecord]) -> bool:
    is_new = False
    for name, node in seen.items():
        before = world.nodes.get(name)
        node = node if before is None else before.seen(node)
        if node != before:
            world.set_node(node)
            is_new = True
    for name, node in list(world.nodes.items()):
        if node.pool == pool and name not in seen and node.state != "down":
            gone = replace(node, state="down", evidence="its engine does not know it any more", is_ours=False)
            world.set_node(node.seen(gone))
            is_new = True
    return is_new
