"""Pipelines on this machine: the same for any number of workers, resumed where they were, and no one left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

from drivetrain.core.errors import DataError, StoreError, UsageError
from drivetrain.data.pipeline import How, Outcome, Pipeline, run


def calls(folder: Path, name: str) -> list[str]:
    file = folder / name
    return file.read_text().split() if file.exists() else []


def through(pipeline: Pipeline, **how: object) -> Outcome:
    return run(pipeline, How(**how))  # type: ignore[arg-type]


def test_the_number_of_threads_the_budget_and_the_cache_change_nothing(numbers: ModuleType, tmp_path: Path) -> None:
    steps = numbers.Numbers(100) | numbers.Add(1) | numbers.Twice() | numbers.Add(2) + numbers.Refuse((7, 40))
    pipeline = steps | numbers.Collect()
    expected = through(pipeline, threads=1)
    assert [key for key, _, _ in expected.made[:4]] == ["n1a", "n1b", "n2a", "n2b"]  # type: ignore[index]
    for how in ({"threads": 4}, {"threads": 3, "budget_bytes": 1}, {"threads": 2, "cache": tmp_path / "cache"}):
        again = through(pipeline, **how)
        assert again.made == expected.made
        assert (again.tally.bad, again.tally.dropped) == (expected.tally.bad, expected.tally.dropped)
    assert through(pipeline, threads=2, cache=tmp_path / "cache").made == expected.made


def test_code_that_holds_the_gil_runs_in_processes_to_the_same_bytes(numbers: ModuleType) -> None:
    steps = numbers.Numbers(40) | numbers.Add(1) | numbers.Slow() + numbers.Refuse((3,)) | numbers.Twice()
    threads, processes = (steps | numbers.Collect() for _ in range(2))
    numbers.Slow.holds_gil = False
    expected = through(threads, threads=2)
    numbers.Slow.holds_gil = True
    made = through(processes, threads=2)
    assert made.made == expected.made
    assert made.tally.bad == expected.tally.bad == {"n3": "Refuse: ZeroDivisionError: by zero"}
    assert not multiprocessing.active_children()


def test_an_unchanged_step_is_not_run_again_and_a_changed_one_reruns_only_what_follows(
    numbers: ModuleType, tmp_path: Path
) -> None:
    traces, cache = tmp_path / "calls", tmp_path / "cache"
    traces.mkdir()

    def made(second: int, third: int) -> object:
        steps = numbers.Numbers(40) | numbers.Add(1, str(traces)) | numbers.Add(second, str(traces))
        return through(steps | numbers.Add(third, str(traces)) | numbers.Collect(), cache=cache, threads=2).made

    first = made(2, 3)
    assert [len(calls(traces, f"add{n}")) for n in (1, 2, 3)] == [40, 40, 40]
    assert made(2, 3) == first
    assert [len(calls(traces, f"add{n}")) for n in (1, 2, 3)] == [40, 40, 40]
    assert made(2, 4) != first
    assert [len(calls(traces, f"add{n}")) for n in (1, 2, 3, 4)] == [40, 40, 40, 40]
    made(5, 3)
    assert [len(calls(traces, f"add{n}")) for n in (1, 2, 3, 5)] == [40, 40, 80, 40]


def test_an_interrupted_run_goes_on_where_it_was(numbers: ModuleType, tmp_path: Path) -> None:
    traces = tmp_path / "calls"
    traces.mkdir()
    steps = numbers.Numbers(200) | numbers.Add(1, str(traces)) | numbers.Add(2)
    with pytest.raises(KeyboardInterrupt):
        through(steps | numbers.Collect(stop_after=100), cache=tmp_path / "cache", threads=2)
    assert not [t for t in threading.enumerate() if t.name.startswith("drivetrain")]
    done = set(calls(traces, "add1"))
    (traces / "add1").unlink()
    whole = through(steps | numbers.Collect(), cache=tmp_path / "cache", threads=2)
    again = set(calls(traces, "add1"))
    assert len(whole.made) == 200  # type: ignore[arg-type]
    assert {f"n{i}" for i in range(96)} & again == set()  # three chunks of 32 had gone through
    assert done | again == {f"n{i}" for i in range(200)}
    assert whole.made == through(steps | numbers.Collect(), threads=1).made


def test_items_that_an_op_cannot_take_are_skipped_named_and_tried_again(numbers: ModuleType, tmp_path: Path) -> None:
    traces = tmp_path / "calls"
    traces.mkdir()
    pipeline = numbers.Numbers(64) | numbers.Add(1, str(traces)) + numbers.Refuse((5,)) | numbers.Collect()
    for num_calls in (64, 96):  # the chunk of 32 with the bad item is made anew, the other one is kept
        found = through(pipeline, cache=tmp_path / "cache", threads=2)
        assert found.tally.bad == {"n5": "Refuse: ZeroDivisionError: by zero"}
        assert found.tally.num_made == 63
        assert len(calls(traces, "add1")) == num_calls


def test_too_many_bad_items_end_the_run_early_with_the_first_named(numbers: ModuleType, tmp_path: Path) -> None:
    traces = tmp_path / "calls"
    traces.mkdir()
    bad = numbers.Refuse(tuple(range(0, 1000, 2)))
    with pytest.raises(DataError, match=r"of 1000 items cannot be used .* the first is n0: Refuse: ZeroDivisionError"):
        through(numbers.Numbers(1000) | numbers.Add(1, str(traces)) + bad | numbers.Collect(), threads=2)
    assert len(calls(traces, "add1")) < 500


def test_a_process_that_dies_is_replaced_and_its_item_tried_again(numbers: ModuleType, tmp_path: Path) -> None:
    steps = numbers.Numbers(40) | numbers.Add(1)
    made = through(steps | numbers.Die((3, 20), str(tmp_path)) | numbers.Collect(), threads=2)
    assert made.made == through(steps | numbers.Collect(), threads=1).made
    assert made.tally.bad == {}


def test_an_item_that_kills_every_process_is_skipped_and_named(numbers: ModuleType) -> None:
    made = through(numbers.Numbers(12) | numbers.Die((3,)) | numbers.Collect(), threads=2)
    assert made.tally.bad == {"n3": "the process that ran it died 3 times, the last time with exit code -9"}
    assert made.tally.num_made == 11


def test_a_source_that_only_this_process_has_cannot_go_to_others(numbers: ModuleType, small_log: object) -> None:
    from drivetrain.data.pipeline import Frames

    with pytest.raises(UsageError, match="cannot open this source"):
        through(Frames(small_log) | numbers.Slow() | numbers.Collect())  # type: ignore[arg-type]


def test_an_address_where_no_cluster_answers_is_refused_at_once(numbers: ModuleType) -> None:
    pipeline = numbers.Numbers(3) | numbers.Collect()
    with pytest.raises(UsageError, match=r"no Ray cluster answers at 127\.0\.0\.1:9: .*refused"):
        through(pipeline, on="ray", address="127.0.0.1:9")


def test_nothing_left_is_an_error_that_says_who_dropped_it(numbers: ModuleType) -> None:
    with pytest.raises(DataError, match=r"nothing is left of 1 items: Twice dropped 1"):
        through(numbers.Numbers(1) | numbers.Twice() | numbers.Collect())


def test_a_disk_that_takes_no_more_is_an_error_of_ours_and_what_is_stored_stays(
    numbers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = numbers.Numbers(100) | numbers.Add(1) | numbers.Collect()
    num_left = 40

    def write_some(self: object, payload: bytes) -> None:
        nonlocal num_left
        num_left -= 1
        if num_left < 0:
            raise OSError(28, os.strerror(28))

    from drivetrain.data.pipeline import chunks

    class Full(chunks.ChunkWriter):
        def add(self, payload: bytes) -> None:
            try:
                write_some(self, payload)
            except OSError as exc:
                raise self._failed(exc) from exc
            super().add(payload)

    with monkeypatch.context() as patched:
        patched.setattr(chunks, "ChunkWriter", Full)
        with pytest.raises(StoreError, match="No space left on device"):
            through(pipeline, cache=tmp_path / "cache", threads=2)
    files = [file.name for file in (tmp_path / "cache").rglob("*") if file.is_file()]
    assert files == ["000000.entries"]
    assert len(through(pipeline, cache=tmp_path / "cache", threads=2).made) == 100  # type: ignore[arg-type]


def test_the_budget_is_held_whatever_the_number_of_items(numbers: ModuleType) -> None:
    sizes = tuple(1000 + 37 * i % 400 for i in range(50))
    for n in (100, 400):
        steps = numbers.Numbers(n) | numbers.Grow(sizes) | numbers.Add(0) | numbers.Hash() | numbers.Collect()
        found = through(steps, threads=4, budget_bytes=30_000).stages
        assert found.peak_bytes <= 1.1 * 30_000


def test_ctrl_c_while_workers_run_leaves_none_of_them(numbers: ModuleType) -> None:
    pipeline = numbers.Numbers(400) | numbers.Slow(rounds=20_000) | numbers.Collect()

    def interrupt(done: int, note: str) -> None:
        if done == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(pipeline, How(threads=2), on_progress=interrupt)
    assert not multiprocessing.active_children()
    assert not [t for t in threading.enumerate() if t.name.startswith("drivetrain")]


MEASURE = """
import resource, sys
import numbers_ops as ops
from drivetrain.data.pipeline import How, run
sizes = tuple(8_000_000 + 500_000 * i for i in range(5))

def ingest(n):
    steps = ops.Numbers(n) | ops.Grow(sizes) | ops.Toil() + ops.Hash() | ops.Collect()
    run(steps, How(threads=2, budget_bytes=100_000_000))

ingest(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
ingest(int(sys.argv[1]))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.slow
def test_memory_grows_by_the_budget_and_not_with_the_log(numbers: ModuleType, tmp_path: Path) -> None:
    grown = []
    for n in (40, 160):
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(n)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "code"), *sys.path])},
            capture_output=True,
            text=True,
            check=True,
            timeout=100,
        )
        grown.append(int(done.stdout))
    assert max(grown) <= 1.1 * 100_000_000
