"""What a ledger record costs the thread that makes it: `python -m benchmarks.ledger_record`."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from drivetrain.ledger import Recorder

NUM_RECORDS = 20_000
TARGET = "<= 3 us median, 20 us p99"


class _Record(msgspec.Struct):
    """Ten fields, as many as a step record of a typical tracker has."""

    k: str
    t: int
    step: int
    rank: int
    attempt: int
    count: int
    wait_ns: int
    end: str
    run: str
    host: str


def run() -> list[tuple[str, str, str]]:
    """Rows of (what, figure, target), on a real file in the temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "attempt-0.rank-0.jsonl"
        with Recorder.open(path, run="run-bench", attempt=0, rank=0, lease_ns=30_000_000_000) as recorder:
            calls: list[tuple[str, Callable[[int], None]]] = [
                ("ledger: step_begin, closing data_wait", lambda step: recorder.step_begin(step, end="data_wait")),
                ("ledger: step_end, opening data_wait", lambda step: recorder.step_end(step, then="data_wait")),
                ("ledger: begin", lambda _: recorder.begin("eval")),
                ("ledger: end", lambda _: recorder.end("eval")),
                ("ledger: log of two metrics", lambda step: recorder.log(step, {"loss": 1 / (step + 1), "lr": 0.001})),
            ]
            rows = [(what, _figure(_times_ns(call)), TARGET) for what, call in calls]
        return [
            *rows,
            ("the floor: encode ten fields, one os.write", _figure(_floor_ns(Path(folder))), "for comparison"),
        ]


def _floor_ns(folder: Path) -> list[int]:
    """What any recorder must pay: msgspec's encoding of a ten-field record and one write to an O_APPEND descriptor."""
    encode = msgspec.json.Encoder().encode
    descriptor = os.open(folder / "floor.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    record = _Record("step_begin", 1_000_000_000, 0, 0, 0, 0, 0, "data_wait", "run-bench", "node-a/5f0c21d3")
    try:
        return _times_ns(lambda _: os.write(descriptor, encode(record) + b"\n"))
    finally:
        os.close(descriptor)


def _times_ns(call: Callable[[int], object]) -> list[int]:
    """Sorted times of single calls; they include reading the clock, about 0.1 us."""
    clock = time.perf_counter_ns
    for warm_up in range(1000):
        call(warm_up)
    times_ns = []
    for step in range(NUM_RECORDS):
        begun_ns = clock()
        call(step)
        times_ns.append(clock() - begun_ns)
    return sorted(times_ns)


def _figure(times_ns: list[int]) -> str:
    p99_ns = times_ns[len(times_ns) * 99 // 100]
    return f"{statistics.median(times_ns) / 1000:.2f} us median, {p99_ns / 1000:.1f} us p99"


def main() -> None:
    """Print the rows."""
    for what, figure, target in run():
        print(f"{what:<40} {figure:<28} ({target})")


if __name__ == "__main__":
    main()
