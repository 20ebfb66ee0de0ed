"""What holds for every rule of packing, whatever comes and goes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from drivetrain.compute.policy.packing import RULES, WHOLE, Machine, Placement, Rule, Shape, arrays, rule_named
from drivetrain.compute.policy.packing.kernels.costs import Knowledge
from drivetrain.compute.policy.packing.kernels.worth import CORES_STEP, Gangs, Prices
from drivetrain.compute.policy.packing.pack import NOTHING, Events, Packed, pack

MODELS = ("A10", "T4")


@dataclass(frozen=True)
class Story:
    machines: tuple[Machine, ...]
    shapes: tuple[Shape, ...]
    events: Events


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Small clusters, tight in cores, memory or devices, and pods that come and go in any order."""
    machine = st.builds(
        Machine,
        name=st.just("n"),
        cpu_milli=st.integers(0, 20_000),
        memory_mib=st.integers(0, 100),
        num_gpus=st.integers(0, 4),
        model=st.sampled_from(MODELS),
    )
    of_models = st.frozensets(st.sampled_from((*MODELS, "H100")))
    cpu, memory = st.integers(0, 8_000), st.integers(0, 40)
    shape = st.one_of(
        st.builds(Shape, cpu, memory),
        st.builds(Shape, cpu, memory, st.just(1), st.integers(1, 999), of_models),
        st.builds(Shape, cpu, memory, st.integers(1, 4), st.just(WHOLE), of_models),
        st.builds(Shape, cpu, memory, st.integers(2, 4), st.integers(1, 999), of_models),
    )
    shapes = tuple(draw(st.lists(shape, min_size=1, max_size=6)))
    arrivals, departures, here = [], [], []
    for event in range(draw(st.integers(1, 30))):
        if here and draw(st.booleans()):
            arrivals.append(NOTHING)
            departures.append(here.pop(draw(st.integers(0, len(here) - 1))))
        else:
            arrivals.append(draw(st.integers(0, len(shapes) - 1)))
            departures.append(NOTHING)
            here.append(event)
    draws = np.random.default_rng(draw(st.integers(0, 9))).random((len(arrivals), 2))
    events = Events(np.array(arrivals, np.int64), np.array(departures, np.int64), draws)
    return Story(tuple(draw(st.lists(machine, min_size=1, max_size=5))), shapes, events)


def learned(rule: Rule, story: Story) -> Knowledge:
    return rule.learn([story.shapes[at] for at in story.events.arrivals if at != NOTHING], story.machines)


def packed_by(rule: Rule, story: Story) -> Packed:
    return pack(story.machines, story.shapes, story.events, rule, learned(rule, story))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@settings(max_examples=25)
@given(story=stories())
def test_no_node_gives_more_than_it_has_and_nothing_that_fits_is_refused(rule: Rule, story: Story) -> None:
    packed = packed_by(rule, story)
    book = Book(story.machines)
    for event, (arrival, leaver) in enumerate(zip(story.events.arrivals, story.events.departures, strict=True)):
        if leaver != NOTHING:
            book.give(story.shapes[story.events.arrivals[leaver]], packed.placement(leaver))
            continue
        shape, placement = story.shapes[arrival], packed.placement(event)
        if placement is None:
            assert not any(book.fits(shape, node) for node in range(len(story.machines)))
        else:
            assert book.fits(shape, placement.node)
            book.take(shape, placement)
    assert packed.free_milli.sum() == sum(map(sum, book.gpus))


@settings(max_examples=10)
@given(story=stories())
def test_ours_goes_where_no_room_that_is_kept_is_broken_up_and_then_where_worth_falls_least(story: Story) -> None:
    rule = rule_named("priced")
    packed, prices = packed_by(rule, story), learned(rule, story).prices
    book = Book(story.machines)
    for event, (arrival, leaver) in enumerate(zip(story.events.arrivals, story.events.departures, strict=True)):
        if leaver != NOTHING:
            book.give(story.shapes[story.events.arrivals[leaver]], packed.placement(leaver))
        elif placement := packed.placement(event):
            shape = story.shapes[arrival]
            lost = {other: book.worth_lost(prices, shape, other) for other in book.places(shape)}
            cheapest = {node: min(of_node, key=lost.__getitem__) for node, of_node in groupby(lost, attrgetter("node"))}
            cost = {other: (book.breaks_up(prices.gangs, shape, other), lost[other]) for other in cheapest.values()}
            assert cost[placement] == min(cost.values())
            book.take(shape, placement)


class Book:
    """The same account, kept slowly."""

    def __init__(self, machines: tuple[Machine, ...]) -> None:
        self.machines = machines
        self.cpu = [machine.cpu_milli for machine in machines]
        self.memory = [machine.memory_mib for machine in machines]
        self.gpus = [[WHOLE] * machine.num_gpus for machine in machines]

    def fits(self, shape: Shape, node: int) -> bool:
        enough = sum(milli >= shape.gpu_milli for milli in self.gpus[node]) >= shape.num_gpus
        allowed = not shape.num_gpus or not shape.models or self.machines[node].model in shape.models
        return enough and allowed and self.cpu[node] >= shape.cpu_milli and self.memory[node] >= shape.memory_mib

    def places(self, shape: Shape) -> list[Placement]:
        """Any device with room for one slot, and the first ones for several."""
        found = []
        for node in filter(lambda node: self.fits(shape, node), range(len(self.machines))):
            room = [at for at, milli in enumerate(self.gpus[node]) if milli >= shape.gpu_milli]
            some = [(at,) for at in room] if shape.num_gpus == 1 else [tuple(room[: shape.num_gpus])]
            found += [Placement(node, devices) for devices in some]
        return found

    def worth_lost(self, prices: Prices, shape: Shape, placement: Placement) -> int:
        before = self.worth(prices, placement.node)
        self.take(shape, placement)
        after = self.worth(prices, placement.node)
        self.give(shape, placement)
        return before - after

    def breaks_up(self, gangs: Gangs, shape: Shape, placement: Placement) -> bool:
        rooms, free = sum(self.room(gangs, node) for node in range(len(self.machines))), sum(map(sum, self.gpus))
        if shape.num_gpus > 1 or rooms > gangs.part * free:
            return False
        before = self.room(gangs, placement.node)
        self.take(shape, placement)
        after = self.room(gangs, placement.node)
        self.give(shape, placement)
        return after < before

    def room(self, gangs: Gangs, node: int) -> int:
        if not gangs.num_gpus:
            return 0
        whole = self.gpus[node].count(WHOLE) // gangs.num_gpus
        return gangs.num_gpus * WHOLE * min(whole, self.cpu[node] // gangs.cpu, self.memory[node] // gangs.memory)

    def worth(self, prices: Prices, node: int) -> int:
        cpu, memory, gpus = self.cpu[node], self.memory[node], self.gpus[node]
        served = min(cpu / prices.cpu_per_gpu, memory / prices.memory_per_gpu)
        idle = int(prices.idle * max(0.0, sum(gpus) / WHOLE - served))
        return int(sum(prices.slice[gpus]) + prices.cores[min(cpu // CORES_STEP, len(prices.cores) - 1)] - idle)

    def take(self, shape: Shape, placement: Placement, sign: int = 1) -> None:
        assert len(placement.devices) == shape.num_gpus
        self.cpu[placement.node] -= sign * shape.cpu_milli
        self.memory[placement.node] -= sign * shape.memory_mib
        for device in placement.devices:
            self.gpus[placement.node][device] -= sign * shape.gpu_milli
            assert 0 <= self.gpus[placement.node][device] <= WHOLE

    def give(self, shape: Shape, placement: Placement | None) -> None:
        if placement is not None:
            self.take(shape, placement, -1)


@settings(max_examples=10)
@given(story=stories())
def test_places_do_not_depend_on_how_much_is_kept_of_what_was_found(story: Story) -> None:
    roomy = [packed_by(rule, story) for rule in RULES]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays, "_MOST_CELLS", len(story.machines))
        narrow = [packed_by(rule, story) for rule in RULES]
    for one, other in zip(roomy, narrow, strict=True):
        assert same(one.nodes, other.nodes)
        assert same(one.devices, other.devices)


def same(one: Any, other: Any) -> bool:
    return bool((one == other).all())
