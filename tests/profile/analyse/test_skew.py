from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profile.analyse.events import Raw, kernel, launch, step

from drivetrain.profile import trace_of
from drivetrain.profile.analyse import Collectives, collectives, skew

TOLD = {"Collective name": "allreduce", "dtype": "Float", "In msg nelems": 1000}


def rank(
    label: str, lasted: list[float], *, first_step: int = 1, name: str = "allreduce", group: str = "0", size: int = 2
) -> Collectives:
    """A collective of 100 us a step, entered as much earlier as it lasts longer than its transfer."""
    told = {**TOLD, "Collective name": name, "Process Group Name": group, "Group size": size}
    events: list[Raw] = []
    for n, dur in enumerate(lasted):
        at = 1000 * n
        events += [step(first_step + n, at, 900), launch(at + 1, 1, n), kernel("nccl", at + 600 - dur, dur, n, **told)]
    return collectives(trace_of(events), label)


def test_the_shortest_is_the_transfer_and_the_rest_is_waiting_for_that_rank() -> None:
    found = skew([rank("a", [100, 150]), rank("b", [300, 100])])
    assert (found.num_matched, found.num_unmatched) == (2, 0)
    assert (found.pure_ns, found.skew_ns) == (200_000, 250_000)
    assert found.wait_ns.tolist() == [50_000, 200_000]
    assert (found.num_last.tolist(), found.late_ns.tolist()) == ([1, 1], [200_000, 50_000])
    assert found.last == "a"
    assert found.step_wait_ns.tolist() == [[0, 200_000], [50_000, 0]]
    assert found.lines[0].bus_bytes_per_s == 2 * 4000 / 200e-6


def test_ranks_with_other_steps_are_matched_in_those_that_all_have() -> None:
    found = skew([rank("a", [100, 150, 170]), rank("b", [300, 100, 90], first_step=2)])
    assert (found.num_matched, found.num_unmatched, found.steps.tolist()) == (2, 0, [2, 3])
    assert found.pure_ns == (150 + 100) * 1000


def test_other_kinds_and_groups_at_the_same_place_are_not_matched() -> None:
    assert skew([rank("a", [100]), rank("b", [100], name="broadcast")]).num_unmatched == 2
    assert skew([rank("a", [100]), rank("b", [100], group="1")]).num_unmatched == 2


def test_sends_are_of_pairs_and_not_of_groups() -> None:
    assert skew([rank("a", [100], name="send"), rank("b", [100], name="recv")]).num_matched == 0


def test_one_rank_or_none_waits_for_nobody() -> None:
    assert skew([]).last is None
    assert (skew([rank("a", [100])]).last, skew([rank("a", [100])]).num_matched) == (None, 0)


@given(st.lists(st.tuples(*[st.integers(1, 400)] * 3), min_size=1, max_size=5))
@settings(max_examples=30)
def test_waiting_and_transfer_sum_to_what_ranks_spent(lasted: list[tuple[int, int, int]]) -> None:
    found = skew([rank("", [float(each) for each in column], size=3) for column in zip(*lasted, strict=True)])
    np.testing.assert_array_equal(found.wait_ns + found.pure_ns, 1000 * np.sum(lasted, axis=0))
    assert found.num_last.sum() == found.num_matched == len(lasted)
