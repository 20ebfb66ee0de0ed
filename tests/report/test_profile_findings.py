from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.report.profile.facts import Facts, Kernels, Memory, Named
from drivetrain.report.profile.findings import find
from drivetrain.report.profile.rules import RULES
from drivetrain.report.profile.thresholds import MOST_FINDINGS
from drivetrain.report.profile_findings import ProfileFinding

MS = 1_000_000
BUSY = Facts(
    label="rank 0",
    device="NVIDIA H100",
    num_steps=3,
    step_ns=100 * MS,
    step_lengths_ns=(100 * MS,) * 3,
    step_names=("5", "6", "7"),
    step_waits_ns=(2 * MS,) * 3,
    compute_ns=98 * MS,
    exposed_comm_ns=0,
    exposed_copy_ns=0,
    idle_ns=2 * MS,
    host_ns=2 * MS,
    top_kernels=(Named("gemm", 300, 120 * MS),),
)


def said(*processes: Facts) -> dict[str, ProfileFinding]:
    return {finding.kind: finding for finding in find(processes, RULES)}


def test_a_step_that_computes_is_told_what_it_computes() -> None:
    found = said(BUSY)
    assert list(found) == ["compute"]
    assert found["compute"].text == "The device computes for 98 % of the step (98.0 ms of 100 ms)."
    assert found["compute"].evidence == "Largest, of the step: gemm 40 %."


def test_a_wait_for_the_loader_is_told_with_its_numbers_and_what_it_may_bring() -> None:
    waits = replace(
        BUSY,
        compute_ns=56 * MS,
        idle_ns=44 * MS,
        loader_ns=44 * MS,
        host_ns=0,
        loader_wait_ns=48 * MS,
        loader="enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__",
    )
    finding = find([waits], RULES)[0]
    assert finding.kind == "loader"
    assert finding.text == "44 % of the step the device waits for the loader (44.0 ms of 100 ms): loader-bound."
    assert "num_workers=0" in finding.evidence
    assert "48 % of the step" in finding.evidence
    assert finding.gain == "At most 44.0 ms a step: 1.79 times as fast."


def test_a_loader_that_keeps_up_is_not_called_a_bound() -> None:
    found = find([replace(BUSY, loader_ns=1 * MS, host_ns=1 * MS, loader_wait_ns=30 * MS, loader="x")], RULES)
    assert all("loader" not in f"{one.text}{one.evidence}{one.change}" for one in found)


def test_of_two_traces_the_worse_is_told_with_the_other_beside_it() -> None:
    slow = replace(BUSY, label="a", compute_ns=56 * MS, idle_ns=44 * MS, loader_ns=44 * MS, host_ns=0, loader="x")
    fast = replace(BUSY, label="b", loader_ns=1 * MS, host_ns=1 * MS)
    finding = said(fast, slow)["loader"]
    assert finding.text.startswith("a: 44 % of the step")
    assert finding.evidence.endswith("Beside it, b: 1.0 %.")


def test_of_many_ranks_the_others_are_a_range() -> None:
    ranks = [replace(BUSY, label=f"rank {n}", exposed_comm_ns=(10 + n) * MS, comm_ns=40 * MS) for n in range(8)]
    finding = said(*ranks)["communication"]
    assert finding.label == "rank 7"
    assert "The other 7: 10 % to 16 %." in finding.evidence
    assert "57 % of communication runs beside compute." in finding.evidence


def test_what_keeps_the_device_waiting_for_launches_decides_the_advice() -> None:
    starved = replace(BUSY, compute_ns=20 * MS, idle_ns=80 * MS, host_ns=60 * MS, other_ns=20 * MS)
    many = said(replace(starved, kernels=Kernels(1000, 4000, 0.9, 6000)))["launch"]
    assert "CUDA graphs" in many.change
    assert "1,000 kernels a step, 4.00 us at the median, 90 % of them shorter than 10.0 us." in many.evidence
    python = said(replace(starved, host_ns=20 * MS, other_ns=60 * MS, kernels=Kernels(10, 90_000, 0.1)))["launch"]
    assert "Python" in python.change


def test_one_argument_is_worth_a_sentence_sooner() -> None:
    copies = replace(BUSY, exposed_copy_ns=2 * MS, exposed_pageable_ns=2 * MS, pageable=Named("", 6, 6 * MS, 2**26))
    assert "pin_memory=True" in said(copies)["pageable"].change
    assert "6 copies of 64.0 MiB" in said(copies)["pageable"].evidence
    assert "pageable" not in said(replace(copies, exposed_pageable_ns=MS // 2))


def test_memory_is_told_when_the_device_is_nearly_full() -> None:
    memory = Memory(30 * 2**30, 32 * 2**30, (Named("activations", 1, 0, 20 * 2**30),))
    finding = said(replace(BUSY, memory=memory))["memory"]
    assert finding.text == "Device memory is 94 % full at its peak (30.0 GiB of 32.0 GiB)."
    assert "memory" not in said(replace(BUSY, memory=replace(memory, capacity_bytes=0)))


def test_matrix_kernels_off_the_matrix_units_are_told_only_where_there_are_units() -> None:
    plain = replace(BUSY, matrix_ns=60 * MS, plain_matrix_ns=60 * MS)
    assert "matrix" not in said(plain)
    slow = replace(plain, has_matrix_units=True)
    assert "60 % of the step multiplies matrices without" in said(slow)["matrix"].text
    assert "precision='bf16'), or allow TF32" in said(slow)["matrix"].change
    before_ampere = said(replace(slow, device="Tesla V100-DGXS-32GB"))["matrix"].change
    assert "precision='fp16'" in before_ampere
    assert "TF32" not in before_ampere


def test_one_slow_step_among_many_is_named() -> None:
    lengths = (*[100 * MS] * 5, 200 * MS)
    uneven = replace(BUSY, step_lengths_ns=lengths, step_names=tuple("abcdef"), step_ns=sum(lengths) // 6)
    uneven = replace(uneven, step_waits_ns=(2 * MS,) * 6)
    assert "The slowest is step f with 200 ms." in said(uneven)["uneven"].evidence
    waiting = replace(uneven, step_waits_ns=(*[2 * MS] * 5, 92 * MS))
    told = "The slowest is step f with 200 ms, 90.0 ms of it more waiting for the host than in others."
    assert told in said(waiting)["uneven"].evidence


def test_what_the_host_did_longest_is_told_per_step() -> None:
    late = replace(
        BUSY, compute_ns=50 * MS, idle_ns=50 * MS, host_ns=50 * MS, host_path=(Named("aten::mm", 99, 60 * MS),)
    )
    assert "on the critical path, a step: aten::mm 20.0 ms." in said(late)["launch"].evidence


def test_without_a_device_the_host_s_own_time_is_judged() -> None:
    host = replace(
        BUSY, device="", compute_ns=60 * MS, idle_ns=40 * MS, loader_ns=30 * MS, other_ns=10 * MS, loader="x"
    )
    found = said(host)
    assert found["loader"].text == "30 % of the step passes in the loader (30.0 ms of 100 ms): loader-bound."
    assert "launch" not in found
    assert found["compute"].text.startswith("Operators run for 60 %")


parts = st.integers(0, 10**8)


@settings(max_examples=60)
@given(
    st.lists(
        st.builds(
            replace,
            st.just(BUSY),
            loader_ns=parts,
            sync_ns=parts,
            host_ns=parts,
            late_ns=parts,
            exposed_comm_ns=parts,
            exposed_pageable_ns=parts,
            plain_matrix_ns=parts,
        ),
        max_size=4,
    )
)
def test_findings_are_few_ranked_and_shares_of_the_step(processes: list[Facts]) -> None:
    found = find(processes, RULES)
    assert len(found) <= MOST_FINDINGS
    assert [one.lost_ns for one in found] == sorted((one.lost_ns for one in found), reverse=True)
    assert all(0 <= one.share <= 1 and one.text and one.change for one in found)


def test_a_step_without_length_has_no_findings() -> None:
    assert find([replace(BUSY, step_ns=0, step_lengths_ns=(), step_names=())], RULES) == []
    assert find([], RULES) == []
