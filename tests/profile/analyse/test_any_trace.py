"""Analyses of operators take any trace: what is odd changes figures and never breaks a sum."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.profile.analyse.events import Raw

from drivetrain.profile import trace_of
from drivetrain.profile.analyse import (
    Phase,
    arithmetic,
    critical_path,
    dependencies,
    difference,
    gains,
    host_spans,
    host_steps,
    host_tree,
    launchers,
    memory,
    modules,
    operators,
    spent,
)

NAMES = [
    "aten::mm",
    "aten::linear",
    "aten::convolution",
    "aten::convolution_backward",
    "aten::scaled_dot_product_attention",
    "autograd::engine::evaluate_function: MmBackward0",
    "nn.Module: A_0",
    "nn.Module: B_0",
    "ProfilerStep#1",
    "ProfilerStep#2",
    "enumerate(DataLoader)#x",
    "Optimizer.step#SGD.step",
    "## forward ##",
    "drivetrain eval",
    "cudaDeviceSynchronize",
    "cudaMemcpyAsync",
    "cudaStreamWaitEvent",
    "k",
]
CATEGORIES = [
    "cpu_op",
    "user_annotation",
    "python_function",
    "cuda_runtime",
    "kernel",
    "gpu_memcpy",
    "Trace",
    "",
    "odd",
]
ARGS: dict[str, list[Any]] = {
    "Input Dims": [
        [[2, 3], [3, 4]],
        [[1, 8, 5, 5], [1, 3, 7, 7], [8, 3, 3, 3]],
        [[1, 2, 3, 4]] * 4,
        [[2**70, 3]],
        "no",
        5,
    ],
    "Input type": [["float", "float"], ["c10::Half"], [], [3]],
    "Concrete Inputs": [["", "", "", "[2, 2]", "[1, 1]", "[1, 1]", "False", "[0, 0]", "1"], ["x"] * 11, [], [1, 2]],
    "Module Hierarchy": ["TOP(Net)::forward.a(B)::g", "("],
    "correlation": [0, 1, 2],
    "External id": [0, 1, 2],
    "Sequence number": [0, 1, 2],
    "device": [0, 1],
    "stream": [7, 8],
}


def odd_event(chance: random.Random) -> Raw:
    args = {name: chance.choice(values) for name, values in ARGS.items() if chance.random() < 0.4}
    return {
        "ph": "X",
        "cat": chance.choice(CATEGORIES),
        "name": chance.choice(NAMES),
        "pid": 1,
        "tid": chance.randint(1, 3),
        "ts": chance.choice([chance.randint(0, 60), chance.randint(0, 10**9) / 1000]),
        "dur": chance.choice([0, chance.randint(0, 40), chance.randint(0, 10**6)]),
        "args": args,
    }


def odd_change(chance: random.Random) -> Raw:
    args: Raw = {
        "Bytes": chance.randint(-50, 50),
        "Device Type": chance.randint(0, 1),
        "Device Id": chance.randint(-1, 1),
    }
    told = {"Addr": chance.randint(1, 4), "Total Allocated": chance.randint(0, 300)}
    args |= {name: value for name, value in told.items() if chance.random() < 0.7}
    return {"ph": "i", "s": "t", "name": "[memory]", "pid": 1, "tid": 1, "ts": chance.randint(0, 100), "args": args}


@pytest.mark.parametrize("seed", range(60))
def test_every_sum_holds(seed: int) -> None:
    chance = random.Random(seed)
    events = [odd_event(chance) for _ in range(chance.randint(0, 14))]
    trace = trace_of([*events, *(odd_change(chance) for _ in range(chance.randint(0, 5)))])
    tree = host_tree(trace)
    graph = dependencies(trace, tree=tree)
    path = critical_path(trace, graph)
    assert sum(part.dur_ns for part in path.parts) == path.total_ns
    assert sum(one.host_self_ns for one in operators(trace, by_dims=True, tree=tree)) <= tree.nesting.self_ns.sum()
    assert all(one.free_ns <= one.step_ns + 1e-3 for one in gains(trace, graph, path, tree=tree))
    assert all(one.direct_us <= one.subtree_us + 1e-6 for one in launchers(trace, tree=tree))
    assert all(one.subtree_device_us >= 0 for one in modules(trace, tree=tree))
    assert all(one.flops >= 0 for one in arithmetic(trace, tree=tree).counted)
    for one in memory(trace, tree=tree):
        assert sum(owner.size_bytes for owner in one.owners) in (one.peak_bytes, 0)
    for step in host_spans(trace):
        assert sum(step.part_ns(phase) for phase in Phase) == step.dur_ns
    if len(host_steps(trace)):
        found = spent(trace)
        assert sum(found.host_ns.values()) == sum(found.device_ns.values()) == found.total_ns
        assert difference(found, found).step.delta_ns == 0
