from __future__ import annotations

from tests.profile.analyse.events import kernel, launch

from drivetrain.profile import trace_of
from drivetrain.profile.analyse import IdleCause, device_gaps, stream_gaps

TRACE = trace_of(
    [
        *(launch(0, 2, 1), kernel("a", 10, 30, 1)),
        *(launch(1, 2, 2), kernel("copy", 20, 60, 2, stream=8)),
        *(
            launch(60, 2, 3),
            kernel("b", 90, 10, 3),
        ),  # 50 after a on its stream, 10 after all; launched late for a alone
        *(launch(300, 2, 4), kernel("c", 310, 10, 4)),
        kernel("elsewhere", 150, 10, 9, device=1),
    ]
)


def test_a_device_idles_only_while_no_stream_of_it_works() -> None:
    found = device_gaps(TRACE)
    assert (found.begin_ns / 1000).tolist() == [80, 100]
    assert (found.dur_ns / 1000).tolist() == [10, 210]
    assert found.cause.tolist() == [IdleCause.KERNEL_WAIT, IdleCause.HOST_WAIT]
    assert [TRACE.names[TRACE.name[row]] for row in found.row] == ["b", "c"]


def test_a_stream_idles_while_others_work() -> None:
    found = stream_gaps(TRACE)
    assert found.stream.tolist() == [7, 7]
    assert found.by_cause_ns() == {IdleCause.HOST_WAIT: 260_000, IdleCause.KERNEL_WAIT: 0, IdleCause.OTHER: 0}


def test_nothing_idles_in_a_trace_without_device_work() -> None:
    assert len(device_gaps(trace_of([]))) == 0
