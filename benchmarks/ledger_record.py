"""What a ledger record costs the thread that makes it."""

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
NUM_SAMPLES = 5


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


def bench_record() -> dict[str, float]:
    """Median and 99th percentile of each call, on a real file in the temporary folder, and of the floor."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "attempt-0.rank-0.jsonl"
        with Recorder.open(path, run="run-bench", attempt=0, rank=0, lease_ns=30_000_000_000) as recorder:
            calls: dict[str, Callable[[int], None]] = {
                "step_begin": lambda step: recorder.step_begin(step, end="data_wait"),
                "step_end": lambda step: recorder.step_end(step, then="data_wait"),
                "begin": lambda _: recorder.begin("eval"),
                "end": lambda _: recorder.end("eval"),
                "log": lambda step: recorder.log(step, {"loss": 1 / (step + 1), "lr": 0.001}),
            }
            times_ns = {name: _times_ns(call) for name, call in calls.items()}
        times_ns["floor"] = _floor_ns(Path(folder))
    medians = {f"{name}_s": statistics.median(times) / 1e9 for name, times in times_ns.items()}
    return medians | {f"{name}_p99_s": times[len(times) * 99 // 100] / 1e9 for name, times in times_ns.items()}


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
