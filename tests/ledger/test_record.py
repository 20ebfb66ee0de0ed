from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import drivetrain as dt
from drivetrain.core import clock
from drivetrain.ledger import Event, JournalTail, Recorder, current, set_current


def recorder(path: Path, rank: int | None = 0, **given: int) -> Recorder:
    return Recorder.open(path, run="run-x", attempt=2, rank=rank, lease_ns=30, **given)


def events(path: Path) -> list[Event]:
    return JournalTail(path).poll()


def test_every_record_comes_back_as_the_event_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal" / "a.jsonl"
    before = clock.mono_ns()
    with recorder(path) as record:
        record.begin("init")
        record.end("init")
        record.step_begin(4)
        record.step_end(4)
        record.commit(5)
        record.resume(5)
        record.skip(6)
        record.log(6, {"loss": 0.5, "lr": 1})
    found = events(path)
    assert [(e.kind, e.step, e.phase) for e in found] == [
        ("begin", 0, "init"),
        ("end", 0, "init"),
        ("step_begin", 4, ""),
        ("step_end", 4, ""),
        ("commit", 5, ""),
        ("resume", 5, ""),
        ("skip", 6, ""),
        ("log", 6, ""),
    ]
    assert {(e.rank, e.attempt, e.host) for e in found} == {(0, 2, clock.host_id())}
    assert found[-1].values == {"loss": 0.5, "lr": 1.0}
    assert before <= found[0].mono_ns <= found[-1].mono_ns <= clock.mono_ns()


def test_a_supervisor_names_the_rank_it_speaks_of(tmp_path: Path) -> None:
    path = tmp_path / "launcher.jsonl"
    with recorder(path, rank=None) as record:
        record.submit()
        record.alloc(3, 8)
        record.start(3, at_ns=77)
        record.clock('node "b"', -5)
        record.beat()
        record.hang(3)
        record.exit(3, -9, attempt=2)
        record.release(3)
        assert record.num_lost_records == 0
    found = events(path)
    assert [(e.kind, e.rank) for e in found] == [
        ("submit", None),
        ("alloc", 3),
        ("start", 3),
        ("clock", None),
        ("beat", None),
        ("hang", None),
        ("exit", 3),
        ("release", 3),
    ]
    assert (found[1].devices, found[2].mono_ns, found[5].of_rank, found[6].code) == (8, 77, 3, -9)
    assert found[6].attempt == 2
    assert (found[3].of, found[3].ahead_ns) == ('node "b"', -5)


def test_a_rank_that_is_its_own_supervisor_need_not_name_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with recorder(path, rank=1) as record:
        record.alloc(devices=2)
        record.start()
        record.beat()
        record.exit()
        record.release()
    assert [(e.kind, e.rank) for e in events(path)] == [
        ("alloc", 1),
        ("start", 1),
        ("beat", None),
        ("exit", 1),
        ("release", 1),
    ]


def test_one_record_closes_one_thing_and_opens_the_next_at_one_instant(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with recorder(path) as record:
        record.step_begin(0, end="data_wait")
        record.step_end(9, count=10, then="data_wait")
    found = events(path)
    assert [(e.kind, e.phase) for e in found] == [
        ("end", "data_wait"),
        ("step_begin", ""),
        ("step_end", ""),
        ("begin", "data_wait"),
    ]
    assert found[0].mono_ns == found[1].mono_ns < found[2].mono_ns == found[3].mono_ns
    assert (found[2].step, found[2].count) == (9, 10)


def test_the_first_record_of_a_rank_reaches_back_to_its_process_start(tmp_path: Path) -> None:
    recorder(tmp_path / "a.jsonl", started_ns=123).close()
    assert [(e.kind, e.phase, e.mono_ns) for e in events(tmp_path / "a.jsonl")] == [("begin", "init", 123)]


def test_a_metric_that_is_not_finite_is_read_as_nan_and_one_that_is_no_number_is_lost(tmp_path: Path) -> None:
    with recorder(tmp_path / "a.jsonl") as record:
        record.log(0, {"loss": float("nan")})
        record.log(1, {"loss": "high"})  # type: ignore[dict-item]  # what a careless caller may do
        assert record.num_lost_records == 1
    (found,) = events(tmp_path / "a.jsonl")
    assert found.values is not None
    assert found.values["loss"] != found.values["loss"]


def test_an_unknown_phase_is_refused_with_the_names_there_are(tmp_path: Path) -> None:
    with recorder(tmp_path / "a.jsonl") as record:
        for call in (record.begin, record.end, record.phase, dt.phase):
            with pytest.raises(ValueError, match="'lunch' is no phase; phases are setup, init, compile"):
                call("lunch")


def test_a_phase_without_a_run_records_nothing_and_runs_its_block(tmp_path: Path) -> None:
    assert current() is None
    done = []
    with dt.phase("eval"):
        done.append(1)
    assert done == [1]


def test_a_phase_goes_to_the_recorder_of_the_process_and_ends_when_its_block_raises(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with recorder(path) as record:
        set_current(record)
        try:
            with pytest.raises(KeyError), dt.phase("eval"):
                raise KeyError
        finally:
            set_current(None)
    assert [(e.kind, e.phase) for e in events(path)] == [("begin", "eval"), ("end", "eval")]


def test_a_full_disk_loses_records_counts_them_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), recorder(Path("/dev/full")) as record:
        for step in range(10):
            record.step_begin(step)
        assert record.num_lost_records == 11  # the header too
    assert [message.levelname for message in caplog.records] == ["WARNING"]
    assert "/dev/full" in caplog.text


def test_a_journal_that_cannot_be_opened_does_not_stop_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    with recorder(tmp_path / "file" / "a.jsonl") as record:
        record.begin("eval")
        assert record.num_lost_records == 2
    assert "nothing of this process is recorded" in caplog.text


def test_a_record_after_close_is_lost_and_closing_twice_is_fine(tmp_path: Path) -> None:
    record = recorder(tmp_path / "a.jsonl")
    record.close()
    record.close()
    record.beat()
    assert record.num_lost_records == 1


def test_records_of_many_threads_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with recorder(path) as record:
        threads = [threading.Thread(target=lambda: [record.beat() for _ in range(500)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for step in range(500):
            record.step_begin(step)
        for thread in threads:
            thread.join(timeout=30)
    tail = JournalTail(path)
    assert len(tail.poll()) == 2500
    assert tail.num_unreadable == 0


def test_a_signal_handler_may_record_while_its_thread_is_inside_a_record(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    handled = []
    with recorder(path) as record:
        before = signal.signal(signal.SIGALRM, lambda *_: handled.append(record.beat()))
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
            step = 0
            while len(handled) < 50:
                record.step_begin(step)
                step += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
    kinds = [e.kind for e in events(path)]
    assert (kinds.count("step_begin"), kinds.count("beat")) == (step, len(handled))


FORK = """
import os, sys
from drivetrain.ledger import Recorder, current, set_current
record = Recorder.open(sys.argv[1], run="r", attempt=0, rank=0, lease_ns=1)
set_current(record)
record.begin("eval")
child = os.fork()
if child == 0:
    record.end("eval")
    os._exit(0 if current() is None and record.num_lost_records == 1 else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_child_writes_nothing_to_its_parents_journal(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    subprocess.run([sys.executable, "-c", FORK, str(path)], check=True, timeout=60)
    assert [e.kind for e in events(path)] == ["begin"]


ENDLESS = """
import sys
from drivetrain.ledger import Recorder
record = Recorder.open(sys.argv[1], run="r", attempt=0, rank=0, lease_ns=1)
step = 0
while True:
    record.step_begin(step)
    print(step, flush=True)
    step += 1
"""


def test_sigkill_loses_nothing_already_recorded(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with subprocess.Popen([sys.executable, "-c", ENDLESS, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = [int(next(child.stdout)) for _ in range(300)]
        os.kill(child.pid, signal.SIGKILL)
        said += [int(line) for line in child.stdout if line.endswith("\n")]
    tail = JournalTail(path)
    steps = [event.step for event in tail.poll()]
    assert steps[: len(said)] == said
    assert tail.num_unreadable == 0
