from __future__ import annotations

import pytest
from tests.bench.runs import facts

from drivetrain.bench.candidates import Machine, candidates

ABLE = Machine(has_compiler=True, has_bf16=True)


def test_all_of_the_shelf_is_tried_where_all_applies() -> None:
    tried, left_out = candidates(facts(), ABLE, wait_share=0.2)
    assert [candidate.name for candidate in tried] == [
        "bf16",
        "channels-last",
        "fused optimizer",
        "recompute",
        "larger microbatch",
        "loader threads=4",
        "compile",
    ]
    assert left_out == []
    assert [candidate.adopt for candidate in tried][-3:-1] == ["Loader(microbatch=8)", "Loader(threads=4)"]


@pytest.mark.parametrize(
    ("changed", "machine", "why"),
    [
        ({"precision": "bf16"}, ABLE, "bf16: the recipe computes in bf16 already"),
        ({}, Machine(has_compiler=True, has_bf16=False), "bf16: this CPU has no arithmetic for it"),
        ({}, Machine(has_compiler=False, has_bf16=True), "compile: there is no C++ compiler here"),
        ({"settings": {}}, ABLE, "compile: dt.Run has no such setting in this version"),
        ({"settings": {"compile": True}}, ABLE, "compile: the recipe compiles already"),
        ({"settings": {"recompute": "full"}}, ABLE, "recompute: the recipe recomputes already (full)"),
        ({"num_convolutions": 0}, ABLE, "channels-last: the network has no 2-D convolutions"),
        ({"is_fused": None, "optimizer": "LBFGS"}, ABLE, "fused optimizer: LBFGS has no fused form"),
        ({"is_fused": True}, ABLE, "fused optimizer: the recipe's is fused already"),
        ({"num_microbatches": 1}, ABLE, "larger microbatch: a step is one microbatch already"),
        ({"microbatch": None}, ABLE, "larger microbatch: the loader's cannot be set"),
        ({"threads": None}, ABLE, "loader threads: the loader's cannot be set"),
    ],
)
def test_what_does_not_apply_is_left_out_with_its_reason(
    changed: dict[str, object], machine: Machine, why: str
) -> None:
    _, left_out = candidates(facts(**changed), machine, wait_share=0.2)
    assert any(f"{item.name}: {item.why}".startswith(why) for item in left_out)


def test_loader_threads_are_left_alone_where_nothing_waits_for_data() -> None:
    _, left_out = candidates(facts(), ABLE, wait_share=0.004)
    assert [item.why for item in left_out] == ["steps wait for data only 0.4 % of their time"]


def test_a_gpu_needs_neither_compiler_nor_bf16_of_the_cpu() -> None:
    tried, _ = candidates(facts(device="cuda"), Machine(has_compiler=False, has_bf16=False), wait_share=0.0)
    assert {"bf16", "compile"} <= {candidate.name for candidate in tried}
