"""What engines see, and what the controller takes from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.server.known import NODES, NOW_S

from drivetrain.compute.controller.changes import Settings
from drivetrain.compute.controller.world import World
from drivetrain.compute.engines.fake import FakeEngine
from drivetrain.compute.policy.values import Pool
from drivetrain.server.asking import Asking
from drivetrain.server.endings import Endings
from drivetrain.server.watching import Watching


def test_a_node_that_two_pools_see_is_of_the_first_until_it_is_gone_there(tmp_path: Path) -> None:
    notes: list[str] = []
    world = World((), (), (), Settings(pools=(Pool("p"), Pool("q"))))
    engines = {"p": FakeEngine(NODES), "q": FakeEngine([replace(node, pool="q") for node in NODES])}
    watching = Watching(engines, Asking(tmp_path, "http://127.0.0.1:1", b"key"), Endings(engines), notes.append)
    assert [watching.look(world, NOW_S + second) for second in range(3)] == [True, False, False]
    assert {node.pool for node in world.nodes.values()} == {"p"}
    assert notes == ["pool q: n0, n1 are in pool p already, and stay there; no two pools share nodes"]
    engines["p"].machines = NODES[:1]
    watching.look(world, NOW_S + 3)
    assert {node.name: (node.pool, node.state) for node in world.nodes.values()} == {
        "n0": ("p", "up"),
        "n1": ("q", "up"),
    }


def test_a_node_that_is_down_stays_with_its_pool_as_long_as_that_sees_it(tmp_path: Path) -> None:
    world = World((), (), (), Settings(pools=(Pool("p"), Pool("q"))))
    down = [replace(node, state="down", evidence="a bad fan") for node in NODES]
    engines = {"p": FakeEngine(down), "q": FakeEngine([replace(node, pool="q") for node in down])}
    watching = Watching(engines, Asking(tmp_path, "http://127.0.0.1:1", b"key"), Endings(engines), lambda _: None)
    assert [watching.look(world, NOW_S + second) for second in range(3)] == [True, False, False]
    assert {node.pool for node in world.nodes.values()} == {"p"}
