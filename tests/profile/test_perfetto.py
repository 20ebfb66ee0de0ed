from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
from tests.profile.analyse.events import launched, span, step

from drivetrain.profile import Trace, read_trace, trace_of
from drivetrain.profile.analyse import breakdown
from drivetrain.profile.perfetto import Mark, PerfettoWriter, Track


def written(path: Path, *traces: tuple[Trace, str], tracks: tuple[Track, ...] = ()) -> list[dict[str, Any]]:
    num_written: list[int] = []
    with path.open("wb") as file, PerfettoWriter(file, num_written.append) as writer:
        for trace, label in traces:
            writer.add(trace, label, tracks, trace.origin.base_ns)
    assert num_written[-1:] == [sum(len(trace) for trace, _ in traces)]
    events: list[dict[str, Any]] = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    return events


def example() -> Trace:
    copy = launched("Memcpy HtoD (Pinned -> Device)", 80, 9, 2, bytes=512)
    return trace_of([step(1, 0, 100), span("aten::mm", 5, 20), *launched("gemm", 30, 40, 1), *copy])


def test_what_is_written_can_be_read_again(tmp_path: Path) -> None:
    trace, path = example(), tmp_path / "out.json.gz"
    written(path, (trace, "rank 0"))
    again = read_trace(path)
    assert [again.names[name] for name in again.name] == [trace.names[name] for name in trace.name]
    for column in ("ts_ns", "dur_ns", "kind", "device", "stream", "correlation", "size_bytes"):
        np.testing.assert_array_equal(getattr(again, column), getattr(trace, column), column)
    assert breakdown(again) == breakdown(trace)


def test_each_launch_points_at_its_work(tmp_path: Path) -> None:
    events = written(tmp_path / "out.json.gz", (example(), "rank 0"))
    begins = {event["id"]: event for event in events if event["ph"] == "s"}
    ends = {event["id"]: event for event in events if event["ph"] == "f"}
    assert begins.keys() == ends.keys()
    assert sorted((begins[flow]["ts"], ends[flow]["ts"]) for flow in begins) == [(25.0, 30.0), (75.0, 80.0)]


def test_our_tracks_stand_above_and_traces_apart(tmp_path: Path) -> None:
    track = Track("idle: loader", [Mark("44 % waits", 1000, 5000, {"change": "more workers"})])
    events = written(tmp_path / "out.json.gz", (example(), "rank 0"), (example(), "rank 1"), tracks=(track,))
    names = [event["args"]["name"] for event in events if event["name"] == "process_name"]
    assert names == [
        "Drivetrain",
        *("rank 0: Drivetrain", "rank 0: host", "rank 0: device"),
        *("rank 1: Drivetrain", "rank 1: host", "rank 1: device"),
    ]
    ours = [event for event in events if event.get("cat") == "drivetrain"]
    assert [(mark["ts"], mark["dur"], mark["args"]) for mark in ours] == [(1.0, 4.0, {"change": "more workers"})] * 2
    pids = {(event["pid"], event["args"]["name"]) for event in events if event["name"] == "process_name"}
    assert len(pids) == len(names)
