"""Ranks that move: each process has one rank, each rank one process, and nobody leaves its node."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivetrain.launch.layout import Layout, finished_after, moves_of


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Layout, list[set[int]]]:
    """A layout to come, and by node the ranks that live of one before."""
    num_nodes = draw(st.integers(1, 4))
    sizes = tuple(draw(st.integers(1, 4)) for _ in range(num_nodes))
    ranks = draw(st.permutations(range(16)))
    living = [set(ranks[4 * node : 4 * node + draw(st.integers(0, 4))]) for node in range(num_nodes)]
    return Layout(sizes), living


@given(worlds())
def test_each_process_has_one_rank_on_its_own_node_and_keeps_its_number_where_it_can(
    world: tuple[Layout, list[set[int]]],
) -> None:
    layout, living = world
    moves = moves_of(layout, living)
    assert len(set(moves.values())) == len(moves)
    for node, ranks in enumerate(living):
        block = set(layout.block(node))
        of_node = {rank: old for rank, old in moves.items() if rank in block}
        assert set(of_node.values()) <= ranks
        assert len(of_node) == min(len(block), len(ranks))
        assert all(moves[rank] == rank for rank in ranks & block)
    assert {rank for node in range(len(living)) for rank in layout.block(node)} == set(range(layout.num_ranks))
    assert all(rank in layout.block(layout.node_of(rank)) for rank in range(layout.num_ranks))


@given(worlds(), st.dictionaries(st.integers(0, 15), st.integers(0, 9)))
def test_nobody_claims_a_step_that_a_rank_which_is_gone_had_not_finished(
    world: tuple[Layout, list[set[int]]], finished: dict[int, int]
) -> None:
    layout, living = world
    moves = moves_of(layout, living)
    after, gone = finished_after(layout, moves, finished, 16)
    lost = set(range(16)) - set(moves.values())
    if lost:
        assert gone == min(finished.get(rank, -1) for rank in lost)
        assert all(after[rank] == gone for rank in range(layout.num_ranks) if rank not in moves)
    assert all(after[rank] == finished.get(old, -1) for rank, old in moves.items())
