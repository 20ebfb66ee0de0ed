from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from tests.cli.traces import span, step, waiting, write

from drivetrain.core.errors import DataError
from drivetrain.report.profile import gather as gathering
from drivetrain.report.profile import gather_profile, profile_json, profile_page, profile_text
from drivetrain.report.profile.names import by_plain_name, plain_kernel
from drivetrain.report.profile.story import TableLine


def ranks(folder: Path, slow_rank: int, num_ranks: int = 4, num_steps: int = 20) -> list[Path]:
    """Ranks of one run whose steps meet in an all_reduce; one computes 400 us longer than the others."""
    files = []
    for rank in range(num_ranks):
        events = []
        for number in range(num_steps):
            begin = 1000.0 + 2000 * number
            work = 1000.0 if rank == slow_rank else 600.0
            number_args = {"Collective name": "allreduce", "In msg nelems": 1000, "dtype": "Float"}
            group = {"Process Group Name": "0", "Group size": num_ranks, **number_args}
            events += [
                span(f"ProfilerStep#{number}", "user_annotation", begin, 1900),
                span("aten::mm", "cpu_op", begin + 1, 20),
                span("cudaLaunchKernel", "cuda_runtime", begin + 2, 5, correlation=2 * number),
                span("cudaLaunchKernel", "cuda_runtime", begin + 10, 5, correlation=2 * number + 1),
                span("gemm", "kernel", begin + 10, work, 7, correlation=2 * number, device=0, stream=7),
                span(
                    "ncclDevKernel_AllReduce_Sum_f32_RING_LL(ncclDevComm*)",
                    "kernel",
                    begin + 10 + work,
                    1100 - work,
                    8,
                    correlation=2 * number + 1,
                    device=0,
                    stream=8,
                    **group,
                ),
            ]
        files.append(write(folder / f"rank-{rank}.json", events, rank, num_ranks))
    return files


def test_the_rank_that_all_wait_for_is_named_with_what_it_is_slow_in(tmp_path: Path) -> None:
    story = gather_profile(ranks(tmp_path, slow_rank=2))
    found = {finding.kind: finding for finding in story.findings}
    assert found["straggler"].label == "rank 2"
    assert "Its compute takes 400 us a step longer than the others' median" in found["straggler"].evidence
    assert "All others wait for it at collectives for 400 us a step." in found["straggler"].evidence
    assert found["communication"].label != "rank 2"
    assert "400 us of it a step waits for the last rank to come." in found["communication"].evidence
    assert story.across["skew"]["last"] == "rank 2"  # type: ignore[index]  # a mapping of plain values


def test_ranks_come_in_order_whatever_the_order_of_their_files(tmp_path: Path) -> None:
    files = ranks(tmp_path, slow_rank=0, num_ranks=3, num_steps=2)
    for order in itertools.permutations(files):
        assert [process.label for process in gather_profile(order).processes] == ["rank 0", "rank 1", "rank 2"]


@pytest.mark.slow
def test_several_processes_say_what_one_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ranks(tmp_path, slow_rank=1, num_ranks=2, num_steps=3)
    alone = profile_json(gather_profile(files))
    monkeypatch.setattr(gathering, "_WORTH_PROCESSES_BYTES", 0)
    monkeypatch.setattr(gathering.os, "sched_getaffinity", lambda _: {0, 1})
    assert profile_json(gather_profile(files)) == alone


def test_a_rank_that_comes_twice_is_no_rank_of_one_run(tmp_path: Path) -> None:
    files = [write(tmp_path / name / "trace.json", waiting(20.0), 0) for name in ("a", "b")]
    story = gather_profile(files)
    assert [process.label for process in story.processes] == ["a", "b"]
    assert story.notes == ("looked at side by side, not as ranks of one run: rank 0 comes 2 times",)


def test_ranks_with_other_steps_are_compared_in_those_that_all_have(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{rank}.json", waiting(20.0, first=rank), rank) for rank in (0, 1)]
    story = gather_profile(files)
    assert story.notes == ("ranks have different steps: comparisons are of the 2 steps that all have",)


def test_nothing_readable_is_the_first_file_s_error(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text("[1, 2")
    with pytest.raises(DataError, match=r"a\.json"):
        gather_profile([tmp_path / "a.json", tmp_path / "b.json"])


def test_all_forms_of_a_trace_with_odd_events_can_be_made(tmp_path: Path) -> None:
    events = [
        *step(1, 1000, 50),
        span("a negative one", "cpu_op", 1000, -5),
        {"ph": "X", "name": "no time", "cat": "kernel", "pid": 1, "tid": 1},
        span("<script>alert(1)</script>", "cpu_op", 1001, 10),
        span("overlaps", "cpu_op", 1005, 500),
        span("twice", "kernel", 1100, 30, thread=7, correlation=1, device=0, stream=7),
    ]
    story = gather_profile([write(tmp_path / "odd.json", events)])
    assert sum(story.processes[0].skipped.values()) == 2
    assert "skipped" in profile_text(story)
    page = profile_page(story, "odd", 0)
    assert "<script>alert" not in page
    assert " style=" not in page
    profile_json(story)


LOADER = "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__"


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        (
            "void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<float>, Array>(int)",
            "vectorized_elementwise_kernel CUDAFunctor_add",
        ),
        (
            "void at::native::vectorized_elementwise_kernel<4, at::native::BinaryFunctor<float, float, float, "
            "at::native::binary_internal::MulFunctor<float> >, at::detail::Array<char*, 3> >(int)",
            "vectorized_elementwise_kernel MulFunctor",
        ),
        (
            "void at::native::elementwise_kernel<128, 2, at::native::gpu_kernel_impl<at::native::(anonymous namespace)"
            "::where_kernel_impl(at::TensorIterator&)::{lambda()#1}>(at::TensorIteratorBase&)::{lambda(int)#1}>(int)",
            "elementwise_kernel where_kernel_impl",
        ),
        (
            "void at::native::vectorized_elementwise_kernel<4, at::native::neg_kernel_cuda(at::TensorIteratorBase&)::"
            "{lambda()#2}::operator()() const::{lambda(float)#1}, at::detail::Array<char*, 2> >(int)",
            "vectorized_elementwise_kernel neg_kernel_cuda",
        ),
        (
            "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, at::native::func_wrapper_t<float, "
            "at::native::sum_functor<float, float, float>::operator()(at::TensorIterator&)::{lambda(float, float)#1}>, "
            "unsigned int, float, 4> >(at::native::ReduceOp<float>)",
            "reduce_kernel sum_functor",
        ),
        (
            "std::enable_if<!(true), void>::type internal::gemvx::kernel<int, float, float>(cublasGemvParams<int>)",
            "gemvx::kernel",
        ),
        ("void cutlass::Kernel2<cutlass_80_tensorop_s1688gemm_256x64>(Params)", "cutlass_80_tensorop_s1688gemm_256x64"),
        ("ncclDevKernel_AllReduce_Sum_f32_RING_LL(ncclDevComm*)", "ncclDevKernel_AllReduce_Sum_f32_RING_LL"),
        ("volta_sgemm_64x64_nt", "volta_sgemm_64x64_nt"),
        ("Memcpy HtoD (Pageable -> Device)", "Memcpy HtoD (Pageable -> Device)"),
        (LOADER, LOADER),
        ("void (anonymous namespace)::softmax_warp_forward<float>(float*)", "softmax_warp_forward"),
        (f"void elementwise<{'x' * 500_000}>(int)", "elementwise"),
        ("", ""),
    ],
    ids=lambda text: text[:40],
)
def test_kernels_are_named_as_people_say_them(name: str, plain: str) -> None:
    assert plain_kernel(name) == plain


def test_kernels_that_people_call_the_same_are_one_line() -> None:
    lines = [
        TableLine("void gemm<128, 64>(float*)", 2, 600, 600, mean_ns=300),
        TableLine("relu", 9, 500, 500, mean_ns=56),
        TableLine("void gemm<64, 64>(float*)", 1, 300, 300, mean_ns=300),
        TableLine("void gemm<64, 64>(half*)", 1, 700, 700, mean_ns=700, note="tensor cores"),
    ]
    assert by_plain_name(lines[::-1]) == [
        TableLine("gemm", 3, 900, 900, mean_ns=300),
        TableLine("gemm", 1, 700, 700, mean_ns=700, note="tensor cores"),
        TableLine("relu", 9, 500, 500, mean_ns=56),
    ]
