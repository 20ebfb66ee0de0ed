from __future__ import annotations

from drivetrain.profile import Kind, trace_of


def test_events_become_rows_in_order_of_time() -> None:
    trace = trace_of(
        [
            {"ph": "X", "cat": "kernel", "name": "k", "ts": 12, "dur": 2.5, "args": {"device": 0, "stream": 7}},
            {"ph": "X", "cat": "cpu_op", "name": "aten::mm", "ts": 10, "dur": 5, "pid": 1, "tid": 2},
        ],
        distributedInfo={"rank": 3},
    )
    assert [trace.names[at] for at in trace.name] == ["aten::mm", "k"]
    assert trace.ts_ns.tolist() == [0, 2000]
    assert trace.dur_ns.tolist() == [5000, 2500]
    assert trace.kind.tolist() == [Kind.CPU_OP, Kind.KERNEL]
    assert [trace.threads[at] for at in trace.thread] == [("1", "2"), ("device 0", "stream 7")]
    assert trace.origin.rank == 3
