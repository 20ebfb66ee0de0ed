from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.traces import drivetrain, span, waiting, write

from drivetrain.report.profile import gather_profile
from drivetrain.store import create_run

KEYS = ("compute_us", "exposed_comm_us", "exposed_memcpy_us", "busy_us", "idle_us", "total_us")


def report(*args: str | Path) -> dict[str, Any]:
    done = drivetrain("profile", "report", *args, "--json")
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_the_terminal_says_what_was_read_where_time_goes_and_what_to_do(tmp_path: Path) -> None:
    done = drivetrain("profile", "report", write(tmp_path / "a.pt.trace.json", waiting(140.0)))
    assert (done.returncode, done.stderr) == (0, "")
    assert "a.pt.trace.json): 15 events, 3 steps, accelerator" in done.stdout
    assert "of the step the device waits for the loader" in done.stdout
    assert "loader-bound" in done.stdout
    assert "loader-bound" not in drivetrain("profile", "report", write(tmp_path / "b.json", waiting(1.0))).stdout


def test_json_has_the_figures_of_each_rank_by_name(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{rank}.json.gz", waiting(20.0), rank) for rank in (1, 0)]
    found = report(*files)
    assert [one["rank"] for one in found["ranks"]] == [0, 1]
    first = found["ranks"][0]
    assert first["compute_us"] == pytest.approx(120.0)
    assert first["busy_us"] + first["idle_us"] == pytest.approx(first["total_us"])
    assert {key: type(first[key]) for key in KEYS} == dict.fromkeys(KEYS, float)
    assert first["skipped"] == {}
    assert [line["name"] for line in first["steps"]] == ["0", "1", "2"]


def test_a_folder_is_all_its_traces_and_what_is_none_is_named(tmp_path: Path) -> None:
    write(tmp_path / "one" / "w.json.gz", waiting(20.0))
    write(tmp_path / "two" / "w.json.gz", waiting(2.0))
    (tmp_path / "notes.json").write_text("{}")
    found = report(tmp_path)
    assert [one["label"] for one in found["ranks"]] == ["one", "two"]
    assert list(found["unread"]) == [str(tmp_path / "notes.json")]


def test_a_run_is_the_newest_profile_of_each_of_its_ranks(tmp_path: Path, own_home: Path) -> None:
    run = create_run(["python", "train.py"], 2, name="tiny")
    assert drivetrain("profile", "report", run.id).returncode == 65
    for rank in (0, 1):
        write(run.path / "profile" / f"attempt-0.rank-{rank}.steps-3-6.json.gz", waiting(1.0, first=3), rank)
    write(run.path / "profile" / "attempt-0.rank-1.steps-20-23.json.gz", waiting(1.0, first=20), 1)
    (run.path / "profile" / "program.json").write_text("{}")
    found = report("latest")
    assert [one["file"] for one in found["ranks"]] == [
        "attempt-0.rank-0.steps-3-6.json.gz",
        "attempt-0.rank-1.steps-20-23.json.gz",
    ]
    assert found["notes"] == ["ranks have different steps: none is compared"]


def test_what_cannot_be_read_is_one_error_after_what_can(tmp_path: Path) -> None:
    good, bad = write(tmp_path / "good.json", waiting(20.0)), tmp_path / "bad.json"
    bad.write_text("no trace")
    done = drivetrain("profile", "report", good, bad)
    assert done.returncode == 65
    assert "good.json" in done.stdout
    assert done.stderr.startswith(f"error: {bad}: ")
    alone = drivetrain("profile", "report", bad)
    assert (alone.returncode, alone.stdout) == (65, "")
    assert "Traceback" not in alone.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["missing.json"], 65, "there is no file missing.json"),
        (["run-of-nobody"], 2, "there are no runs"),
        ([], 2, "Missing argument"),
    ],
)
def test_what_is_not_there_is_told(arguments: list[str], code: int, words: str) -> None:
    done = drivetrain("profile", "report", *arguments)
    assert done.returncode == code
    assert words in done.stderr


def test_the_command_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "drivetrain", "profile", "report", str(tmp_path / "missing.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (65, "")
    assert done.stderr == f"error: there is no file {tmp_path / 'missing.json'}\n"


def test_a_folder_without_traces_is_told(tmp_path: Path) -> None:
    done = drivetrain("profile", "report", tmp_path)
    assert done.returncode == 65
    assert "holds no trace" in done.stderr


def test_a_trace_without_device_work_is_told_from_the_host(tmp_path: Path) -> None:
    events = [event for event in waiting(20.0) if event["cat"] != "kernel"]
    done = drivetrain("profile", "report", write(tmp_path / "cpu.json", events))
    assert done.returncode == 0
    assert "no device events: all figures are the host's" in done.stdout


def test_an_empty_trace_is_told(tmp_path: Path) -> None:
    done = drivetrain("profile", "report", write(tmp_path / "empty.json", []))
    assert (done.returncode, done.stderr) == (0, "")
    assert "note: there are no events in it" in done.stdout


def test_a_trace_of_another_tool_says_that_nothing_of_pytorch_is_in_it(tmp_path: Path) -> None:
    done = drivetrain("profile", "report", write(tmp_path / "calls.json", [span("main (a.py:3)", "FEE", 0, 90)]))
    assert done.returncode == 0
    assert "note: nothing of the host as PyTorch's profiler names operators and calls" in done.stdout


def test_nothing_is_said_of_the_host_where_the_device_alone_was_traced(tmp_path: Path) -> None:
    kernels = [event for event in waiting(20.0) if event["cat"] == "kernel"]
    done = drivetrain("profile", "report", write(tmp_path / "device.json", kernels))
    assert "CPU-bound" not in done.stdout
    assert "why the device idles is not known" in done.stdout


def test_what_is_written_never_replaces_a_trace(tmp_path: Path) -> None:
    trace = write(tmp_path / "a.json.gz", waiting(20.0))
    before = trace.read_bytes()
    for option in ("--html", "--perfetto"):
        done = drivetrain("profile", "report", tmp_path, option, trace)
        assert done.returncode == 2
        assert "is one of the traces" in done.stderr
    assert trace.read_bytes() == before
    annotated = tmp_path / "a.perfetto.json.gz"
    assert drivetrain("profile", "report", trace, "--perfetto", annotated).returncode == 0
    assert [one["file"] for one in report(tmp_path)["ranks"]] == ["a.json.gz"]


def test_reading_shows_how_many_bytes_are_done(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{name}.json", waiting(20.0)) for name in ("a", "b")]
    seen: list[tuple[int, str]] = []
    gather_profile(files, lambda num_bytes, note: seen.append((num_bytes, note)))
    sizes = [file.stat().st_size for file in files]
    assert [num for num, _ in seen] == sorted(num for num, _ in seen)
    assert (sizes[0], "analysing a.json") in seen
    assert seen[-1] == (sum(sizes), "analysing b.json")


def test_a_page_and_a_file_for_perfetto_are_written(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{rank}.json", waiting(140.0), rank) for rank in (0, 1)]
    page, perfetto = tmp_path / "page.html", tmp_path / "perfetto.json.gz"
    done = drivetrain("profile", "report", *files, "--html", page, "--perfetto", perfetto)
    assert done.returncode == 0
    assert done.stderr == f"wrote {page}\nwrote {perfetto}\n"
    assert "loader-bound" in page.read_text()
    events = json.loads(gzip.decompress(perfetto.read_bytes()))["traceEvents"]
    findings = [event for event in events if event.get("cat") == "drivetrain" and "loader-bound" in event["name"]]
    assert len(findings) == 1
    assert "num_workers=4" in findings[0]["args"]["change"]
