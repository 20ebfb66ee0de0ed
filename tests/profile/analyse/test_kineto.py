from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import pytest
from tests.profile.analyse.events import kernel, launch, launched, span, step

from drivetrain.profile import read_trace, trace_of
from drivetrain.profile.analyse import kineto_steps

# What torch-tb-profiler 0.4.3 shows: step, kernel, memcpy, memset, communication, runtime, data loader, operators,
# other, total; whole microseconds, as the traces have them.
PUBLISHED = {
    "num_workers_0/worker0.1623143566756.pt.trace.json.gz": [
        (16, 98420, 1654, 88, 0, 9789, 46723, 13876, 1222, 171772),
        (17, 98471, 1654, 89, 0, 2759, 32390, 13054, 1136, 149553),
        (18, 98654, 1658, 88, 0, 2742, 32269, 13202, 1190, 149803),
        (19, 98580, 1809, 90, 0, 2671, 31857, 13307, 1218, 149532),
        (20, 98645, 1815, 88, 0, 2726, 35146, 14735, 1188, 154343),
        (21, 98439, 1813, 90, 0, 3633, 34637, 14544, 1309, 154465),
    ],
    "num_workers_4/worker0.1623213129365.pt.trace.json.gz": [
        (16, 99384, 2866, 98, 0, 46518, 1716, 14941, 4611, 170134),
        (17, 99116, 2887, 98, 0, 3807, 11, 14889, 1712, 122520),
        (18, 98770, 2877, 99, 0, 3558, 11, 16501, 1401, 123217),
        (19, 98901, 2832, 97, 0, 3326, 6, 12301, 1162, 118625),
        (20, 99162, 2855, 97, 0, 2816, 7, 12858, 1943, 119738),
        (21, 98930, 2991, 98, 0, 3460, 0, 14389, 82749, 202617),
    ],
}


@pytest.mark.parametrize("file", PUBLISHED)
def test_steps_are_the_plugins_own_to_the_microsecond(shared_data: Path, file: str) -> None:
    ours = kineto_steps(read_trace(shared_data / "kineto_resnet50" / file))
    assert [astuple(each) for each in ours] == PUBLISHED[file]


def test_each_moment_of_a_step_has_one_role_in_their_order() -> None:
    (found,) = kineto_steps(
        trace_of(
            [
                step(3, 0, 200),
                span("enumerate(DataLoader)#_Iter.__next__", 0, 30, "user_annotation"),
                span("aten::mm", 20, 80),
                *(launch(40, 10, 1), kernel("gemm", 60, 30, 1)),
                *(launch(50, 5, 2), kernel("Memcpy DtoH", 80, 30, 2)),
                *(launch(100, 5, 3), kernel("Memset (Device)", 105, 10, 3)),
            ]
        )
    )
    assert astuple(found) == (3, 30, 20, 5, 0, 15, 30, 15, 85, 200)


def test_kernels_that_a_collective_launched_are_communication() -> None:
    (found,) = kineto_steps(
        trace_of(
            [
                step(1, 0, 100),
                span("nccl:all_reduce", 10, 5, **{"External id": 8}),
                *(launch(12, 1, 1), kernel("ncclKernel", 30, 40, 1, **{"External id": 8})),
            ]
        )
    )
    assert (found.kernel_us, found.communication_us) == (0, 45)


def test_a_last_step_of_which_much_is_missing_is_left_out() -> None:
    def work(at: float, first: int, num: int) -> list[dict[str, object]]:
        return [each for n in range(num) for each in launched("gemm", at + 10 * n, 5, first + n)]

    whole = trace_of([step(1, 0, 100), step(2, 100, 100), *work(10, 1, 5), *work(110, 11, 4)])
    part = trace_of([step(1, 0, 100), step(2, 100, 100), *work(10, 1, 5), *work(110, 11, 3)])
    assert [each.number for each in kineto_steps(whole)] == [1, 2]
    assert [each.number for each in kineto_steps(part)] == [1]


def test_without_steps_all_operators_are_one() -> None:
    (found,) = kineto_steps(trace_of([span("aten::mm", 20, 30), span("aten::mm", 70, 30)]))
    assert (found.total_us, found.cpu_exec_us) == (80, 60)


def test_an_empty_trace_has_no_steps() -> None:
    assert kineto_steps(trace_of([])) == ()
