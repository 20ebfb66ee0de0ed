"""Of what was measured, which stage sets the pace and what to change."""

from __future__ import annotations

from drivetrain.core.units import NS_PER_S
from drivetrain.data.pipeline.apply import OpTime
from drivetrain.data.pipeline.stages import Meter, report, stage_table


def measured(
    busy_s: dict[str, float], *, writing_s: float = 0.0, workers: int = 2, queue: float = 0.0, stored: int = 0
) -> Meter:
    meter = Meter.of([[name] for name in busy_s])
    meter.num_workers = workers
    for step, seconds in enumerate(busy_s.values()):
        for _ in range(stored):
            meter.stored(step)
        if not stored:
            for _ in range(100):
                meter.applied(step, [OpTime(1, 1, int(seconds * NS_PER_S / 100), 1000)])
                meter.taken(step, queue)
    meter.writing.busy_ns = int(writing_s * NS_PER_S)
    return meter


def advice(meter: Meter) -> tuple[str, str]:
    found = report(meter, wall_ns=10 * NS_PER_S, budget_bytes=1 << 20)
    return found.bottleneck, found.advice


def test_the_op_that_workers_are_busy_with_is_named_with_its_share() -> None:
    name, text = advice(measured({"read": 4.0, "project": 14.0}))
    assert name == "project"
    assert text.startswith("the workers are busy 90 % of the time, 78 % of that in project: give it more cores")


def test_writing_that_takes_the_time_is_named() -> None:
    assert advice(measured({"read": 3.0}, writing_s=9.0)) == (
        "writing",
        "writing takes 90 % of the time: write to a faster disk",
    )


def test_idle_workers_want_memory_where_it_is_full_and_else_processes() -> None:
    meter = measured({"read": 5.0})
    assert "holds_gil = True" in advice(meter)[1]
    meter.peak_bytes = 1 << 20
    assert advice(meter)[1].endswith("allow more (--memory)")


def test_a_run_that_found_everything_stored_says_so() -> None:
    assert advice(measured({"read": 0.0}, stored=100))[1] == "all results were there already; only the writing was done"


def test_the_table_has_a_line_for_each_stage_and_the_sentence() -> None:
    lines = stage_table(report(measured({"read": 4.0}, queue=0.25), wall_ns=10 * NS_PER_S, budget_bytes=1 << 20))
    table = [line.split() for line in lines.splitlines()]
    assert table[0] == ["stage", "items", "stored", "items/s", "bytes/s", "busy", "queue"]
    assert table[1] == ["read", "100", "0", "10.0", "9.77", "KiB", "20", "%", "25", "%"]
    assert table[2][0] == "writing"
    assert lines.splitlines()[-1].startswith("bottleneck: read; ")
