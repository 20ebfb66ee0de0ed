"""What each rule prefers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from drivetrain.compute.policy.packing import Machine, Placement, Shape, rule_named
from drivetrain.compute.policy.packing.pack import NOTHING, Events, pack
from drivetrain.compute.policy.packing.typical import typical
from drivetrain.core.errors import UsageError

HALF, MOST, REST, WHOLE = (Shape(1000, 1, 1, milli) for milli in (500, 650, 320, 1000))


def places(
    rule_name: str, machines: Sequence[Machine], come: Sequence[Shape], seen: Sequence[Shape]
) -> list[Placement | None]:
    """Where each goes, one after the other."""
    rule = rule_named(rule_name)
    num = len(come)
    events = Events(np.arange(num), np.full(num, NOTHING, np.int64), np.zeros((num, 2)))
    packed = pack(machines, come, events, rule, rule.learn(seen, machines))
    return [packed.placement(event) for event in range(num)]


def test_a_share_goes_to_what_it_completes_rather_than_where_it_fits_first() -> None:
    machine = Machine("n", 64_000, 1000, 3, "T4")
    found = places("priced", [machine], [HALF, MOST, REST, HALF], seen=[HALF, MOST, REST] * 9)
    assert [place.devices for place in found if place] == [(0,), (1,), (1,), (0,)]


def test_best_fit_takes_the_fullest_device_of_the_fullest_node() -> None:
    machines = [Machine("large", 64_000, 1000, 8, "T4"), Machine("small", 16_000, 1000, 2, "T4")]
    found = places("best-fit", machines, [HALF, REST, WHOLE, REST], seen=[HALF])
    assert [(place.node, place.devices) for place in found if place] == [(1, (0,)), (1, (0,)), (1, (1,)), (0, (0,))]


def test_fgd_keeps_whole_devices_for_those_that_ask_for_them() -> None:
    machines = [Machine("a", 64_000, 1000, 2, "T4"), Machine("b", 64_000, 1000, 2, "T4")]
    found = places("fgd", machines, [HALF, HALF], seen=[WHOLE] * 3 + [HALF])
    assert [(place.node, place.devices) for place in found if place] == [(0, (0,)), (0, (0,))]


@pytest.mark.parametrize("rule", ["priced", "fgd", "best-fit", "random"])
def test_only_accelerators_of_an_allowed_kind_are_given(rule: str) -> None:
    machines = [Machine("a", 64_000, 1000, 2, "T4"), Machine("b", 64_000, 1000, 2, "A10")]
    picky = Shape(1000, 1, 1, 1000, frozenset({"A10", "H100"}))
    found = places(rule, machines, [picky, picky, picky], seen=[picky])
    assert [place.node if place else None for place in found] == [1, 1, None]


def test_a_cluster_without_accelerators_still_takes_what_needs_none() -> None:
    found = places("priced", [Machine("c", 4000, 100, 0)], [Shape(3000, 10), Shape(3000, 10)], seen=[])
    assert found == [Placement(0, ()), None]


def test_where_cores_run_out_first_a_pod_leaves_those_that_another_can_use() -> None:
    machines = [Machine("odd", 18_000, 1000, 1), Machine("even", 19_000, 1000, 1)]
    device, cores = Shape(3000, 1, 1, 1000), Shape(16_000, 1)
    for seen, node in (([device], 0), ([device, cores], 1)):
        assert places("priced", machines, [device], seen=seen) == [Placement(node, (0,))]


def test_room_for_a_gang_is_kept_while_there_is_no_more_than_gangs_part_and_another_place() -> None:
    machines = [Machine("pair", 64_000, 1000, 2), Machine("single", 64_000, 1000, 1)]
    pair = Shape(1000, 1, 2, 1000)
    for seen, nodes in (([WHOLE], [0, 0, 1]), ([WHOLE] * 4 + [pair], [0, 0, 1]), ([WHOLE, pair], [1, 0, 0])):
        assert [place and place.node for place in places("priced", machines, [WHOLE] * 3, seen=seen)] == nodes


def test_cores_that_a_gang_needs_are_kept_with_its_devices() -> None:
    machines = [Machine("pair", 12_000, 1000, 2), Machine("single", 8_000, 1000, 1)]
    gang, cores = Shape(10_000, 1, 2, 1000), Shape(6000, 1)
    for seen, nodes in (([Shape(3667, 1, 1, 1000)], [0, 1, 0]), ([WHOLE, gang], [1, 0, 0])):
        assert [place and place.node for place in places("priced", machines, [cores] * 3, seen=seen)] == nodes


def test_cores_of_a_node_without_end_cost_no_memory() -> None:
    machines = [Machine("n", 1 << 40, 1000, 1)]
    assert places("priced", machines, [Shape(1, 1)], seen=[Shape(1 << 39, 1), WHOLE]) == [Placement(0, ())]


def test_typical_shapes_are_the_most_frequent_until_95_pct() -> None:
    found = typical([HALF] * 90 + [WHOLE] * 6 + [REST] * 4)
    assert found == {Shape(1000, 0, 1, 500): 90 / 96, Shape(1000, 0, 1, 1000): 6 / 96}


def test_fragments_are_what_lies_on_devices_with_less_than_a_typical_shape_asks() -> None:
    rule, machines = rule_named("fgd"), [Machine("n", 64_000, 1000, 2, "T4")]
    come = [Shape(1000, 1, 1, 800)]
    events = Events(np.array([0]), np.array([NOTHING]), np.zeros((1, 2)))
    assert pack(machines, come, events, rule, rule.learn([HALF], machines)).fragment_milli == 200
    assert pack(machines, come, events, rule, rule.learn([HALF, Shape(1, 1)], machines)).fragment_milli == 100 + 600


def test_a_rule_is_found_however_its_name_is_written_and_a_miss_names_the_nearest() -> None:
    assert rule_named("Best_Fit") == rule_named("bestfit") == rule_named("best-fit")
    with pytest.raises(UsageError, match="did you mean fgd"):
        rule_named("fdg")
