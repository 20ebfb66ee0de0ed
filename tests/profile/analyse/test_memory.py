from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profile.analyse.events import Raw, span, step

from drivetrain.profile import NONE, read_trace, trace_of
from drivetrain.profile.analyse import Category, DeviceMemory, memory


def change(ts: float, size: int, *, tid: int = 1, device: int | None = 0, **args: Any) -> Raw:
    where = {"Device Type": 0, "Device Id": -1} if device is None else {"Device Type": 1, "Device Id": device}
    told = {{"address": "Addr", "total": "Total Allocated"}[name]: value for name, value in args.items()}
    args = {**where, "Bytes": size, **told}
    return {"ph": "i", "s": "t", "name": "[memory]", "pid": 1, "tid": tid, "ts": ts, "args": args}


def owners(found: DeviceMemory) -> dict[tuple[Category, str], int]:
    return {(owner.category, owner.operator): owner.size_bytes for owner in found.owners}


TRAINING = [
    step(1, 0, 100),
    {**span("aten::mm", 10, 10), "args": {"Sequence number": 1}},
    span("aten::empty", 11, 2),
    change(12, 100, address=1, total=1100),  # an activation: freed in backward
    change(13, 10, address=2, total=1110),
    change(14, -10, address=2, total=1100),
    {**span("aten::sum", 22, 2), "args": {"Sequence number": 2}},
    span("autograd::engine::evaluate_function: MmBackward0", 40, 20, tid=2),
    span("aten::mm", 42, 10, tid=2),
    change(43, 50, address=3, total=1150, tid=2),  # a gradient
    change(44, 30, address=4, total=1180, tid=2),
    change(50, -30, address=4, total=1150, tid=2),
    change(51, -100, address=1, total=1050, tid=2),
    span("Optimizer.step#SGD.step", 70, 20, cat="user_annotation"),
    span("aten::mul", 72, 5),
    change(73, 20, address=5, total=1070),  # a state of the optimizer
]


def test_the_peak_is_owned_by_what_allocated_it_and_when_that_was_freed() -> None:
    (found,) = memory(trace_of(TRAINING))
    assert (found.device, found.is_whole, found.peak_bytes) == (0, True, 1180)
    assert owners(found) == {
        (Category.EARLIER, ""): 1000,
        (Category.ACTIVATIONS, "aten::mm"): 100,
        (Category.GRADIENTS, "aten::mm"): 50,
        (Category.TEMPORARY, "aten::mm"): 30,
    }


def test_the_optimizer_keeps_its_state_and_parameters_come_before_steps() -> None:
    (found,) = memory(trace_of([change(-5, 500, address=9), *TRAINING[13:], step(1, 0, 100)]))
    assert owners(found) == {(Category.PARAMETERS, ""): 500, (Category.OPTIMIZER, "aten::mul"): 20}


def test_without_totals_the_timeline_counts_from_what_must_have_been_there() -> None:
    (found,) = memory(trace_of([change(0, 10, address=1), change(1, -40, address=2), change(2, 5, address=3)]))
    assert not found.is_whole
    assert found.held_bytes.tolist() == [50, 10, 15]
    assert owners(found) == {(Category.EARLIER, ""): 40, (Category.OTHER, ""): 10}


def test_without_addresses_there_is_a_timeline_and_nobody_owns_it() -> None:
    host, device = memory(trace_of([change(0, 10), change(1, -40), change(2, 5, device=None)]))
    assert (host.device, host.peak_bytes) == (NONE, 5)
    assert device.held_bytes.tolist() == [40, 0]
    assert device.owners == ()


def test_a_trace_that_tells_nothing_of_memory_has_none() -> None:
    assert memory(trace_of([span("aten::mm", 0, 5)])) == ()


changes = st.lists(
    st.builds(
        lambda ts, size, address, total, device, tid: change(
            ts, size, tid=tid, device=device, **({"address": address} | ({} if total is None else {"total": total}))
        ),
        st.integers(0, 100),
        st.integers(-50, 50),
        st.integers(1, 4),
        st.one_of(st.none(), st.integers(0, 100)),
        st.sampled_from([None, 0, 1]),
        st.integers(1, 2),
    ),
    max_size=15,
)


@settings(max_examples=50)
@given(changes)
def test_owners_sum_to_the_peak_whatever_was_lost(found: list[Raw]) -> None:
    for one in memory(trace_of([*TRAINING[:3], *found])):
        assert one.peak_bytes == one.held_bytes.max()
        if one.owners:
            assert sum(owner.size_bytes for owner in one.owners) == one.peak_bytes


@pytest.mark.parametrize("name", ["gaunernst_bert-small-uncased__1016001"])
def test_a_real_peak_is_what_the_allocator_said(shared_data: Path, name: str) -> None:
    trace = read_trace(shared_data / "tracelens" / "h100" / f"{name}.json.gz")
    _, device = memory(trace)
    assert device.peak_bytes == trace.memory.total_bytes[trace.memory.device == 0].max()
    assert sum(owner.size_bytes for owner in device.owners) == device.peak_bytes
