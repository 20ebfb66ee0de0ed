"""Sizes become placements."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compute.policy.elastic.made import job

from drivetrain.compute.policy.elastic.place import place
from drivetrain.compute.policy.elastic.values import Cluster, ElasticJob

CLUSTER = Cluster(6, 4)
SIZES = (0, 1, 2, 4, 8, 12)


@st.composite
def wishes(draw: st.DrawFn) -> tuple[list[ElasticJob], dict[str, int]]:
    """Jobs that hold GPUs by an earlier placing, some of them restarting, and new sizes that fit the cluster."""
    jobs = [job(f"j{k}") for k in range(draw(st.integers(1, 14)))]
    for _ in range(draw(st.integers(1, 3))):
        free, sizes = CLUSTER.num_gpus, {}
        for one in jobs:
            least = one.num_gpus if one.restarting else 0
            free -= least
            sizes[one.name] = least
        for one in jobs:
            if not one.restarting:
                sizes[one.name] = max(size for size in SIZES if size <= min(free, draw(st.sampled_from(SIZES))))
                free -= sizes[one.name]
        before, placements = jobs, place(sizes, jobs, CLUSTER)
        jobs = [
            job(one.name, placement=placements.get(one.name, ()), restarting=one.restarting or draw(st.booleans()))
            for one in jobs
        ]
        jobs = [one if one.placement else job(one.name) for one in jobs]
    return before, sizes


@settings(max_examples=60)
@given(wishes())
def test_no_gpu_is_given_twice_and_who_restarts_stays(drawn: tuple[list[ElasticJob], dict[str, int]]) -> None:
    jobs, sizes = drawn
    placements = place(sizes, jobs, CLUSTER)
    used = [0] * CLUSTER.num_nodes
    for placement in placements.values():
        for node, count in placement:
            used[node] += count
    assert max(used) <= CLUSTER.gpus_per_node
    for one in jobs:
        got = sum(count for _, count in placements.get(one.name, ()))
        assert got <= sizes[one.name]
        assert got in SIZES
        assert len(placements.get(one.name, ())) == -(-got // CLUSTER.gpus_per_node)
        if one.restarting:
            assert placements[one.name] == one.placement


@settings(max_examples=60)
@given(wishes())
def test_where_nobody_restarts_everyone_gets_the_size(drawn: tuple[list[ElasticJob], dict[str, int]]) -> None:
    jobs, sizes = [job(one.name, placement=one.placement) for one in drawn[0]], drawn[1]
    placements = place(sizes, jobs, CLUSTER)
    for one in jobs:
        assert sum(count for _, count in placements.get(one.name, ())) == sizes[one.name]


def test_only_small_jobs_are_moved_to_make_a_node_whole() -> None:
    jobs = [job("a", placement=((0, 1),)), job("b", placement=((1, 2),)), job("big", placement=())]
    jobs += [job(f"full{node}", placement=((node, 4),)) for node in (2, 3, 4, 5)]
    sizes = {"a": 1, "b": 2, "big": 4, **{f"full{node}": 4 for node in (2, 3, 4, 5)}}
    placements = place(sizes, jobs, CLUSTER)
    assert placements["b"] == ((1, 2),)
    assert placements["a"] == ((1, 1),)
    assert placements["big"] == ((0, 4),)
