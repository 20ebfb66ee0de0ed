"""Real ranks from tiny scripts: what they are given, how they end, when they are started again."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from drivetrain.core.clock import mono_ns
from drivetrain.core.errors import UsageError
from drivetrain.launch import Launcher, LaunchSpec, Watch
from drivetrain.launch.attempt import Attempt
from drivetrain.store import create_run

RECORD = """
import os
from drivetrain.ledger import Recorder
rank, attempt = int(os.environ["RANK"]), int(os.environ["DRIVETRAIN_ATTEMPT"])
folder = f"{os.environ['DRIVETRAIN_HOME']}/runs/{os.environ['DRIVETRAIN_RUN']}/journal"
recorder = Recorder.open(f"{folder}/attempt-{attempt}.rank-{rank}.jsonl", run=os.environ["DRIVETRAIN_RUN"],
    attempt=attempt, rank=rank, lease_ns=int(os.environ["DRIVETRAIN_LEASE_NS"]))
"""


def test_a_script_finds_itself_as_python_would_start_it(launch: Callable, tmp_path: Path) -> None:
    script = """
    import json, os, sys
    found = dict(argv=sys.argv[1:], name=__name__, file=__file__, path=sys.path[0], cwd=os.getcwd(),
                 main=sys.modules["__main__"].__file__, stdin=sys.stdin.read(), session=os.getsid(0) == os.getpid(),
                 rank=os.environ["RANK"], started=int(os.environ["DRIVETRAIN_STARTED_NS"]))
    print(json.dumps(found))
    """
    done = launch(textwrap.dedent(script), "--lr", "1")
    for rank in (0, 1):
        found = json.loads(done.text(rank))
        started_ns = found.pop("started")
        assert found == {
            "argv": ["--lr", "1"],
            "name": "__main__",
            "file": str(tmp_path / "script.py"),
            "path": str(tmp_path),
            "cwd": str(tmp_path),
            "main": str(tmp_path / "script.py"),
            "stdin": "",
            "session": True,
            "rank": str(rank),
        }
        assert [event.mono_ns for event in done.records("start") if event.rank == rank] == [started_ns]


def test_a_module_runs_as_python_dash_m_would_run_it(launch_spec: Callable, tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "__main__.py").write_text(
        "import sys\nfrom . import __name__ as parent\nprint(parent, __name__, __spec__.name, sys.argv)\n"
    )
    done = launch_spec(LaunchSpec(command=("python", "-m", "package", "x"), preload=(), cwd=tmp_path))
    assert done.text(0) == f"package __main__ package.__main__ ['{tmp_path}/package/__main__.py', 'x']\n"


def test_ends_well_and_says_so_in_the_journal(launch: Callable) -> None:
    done = launch("print('hello')")
    assert (done.outcome.exit_code, done.outcome.num_attempts, done.outcome.reason) == (0, 1, "")
    kinds = [(event.kind, event.rank) for event in done.records("submit", "alloc", "start", "release")]
    assert sorted(kinds[:3], key=str) == sorted([("submit", None), ("alloc", 0), ("alloc", 1)], key=str)
    assert sorted(kinds[3:]) == [("release", 0), ("release", 1), ("start", 0), ("start", 1)]
    assert {(event.rank, event.code) for event in done.records("exit")} == {(0, 0), (1, 0)}
    assert (done.run.logs / "attempt-0.rank-1.log").read_bytes() == b"hello\n"


def test_a_killed_rank_is_noticed_and_all_ranks_start_again(launch: Callable) -> None:
    script = """
    import os, signal, time
    if os.environ["DRIVETRAIN_ATTEMPT"] == "0":
        if os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
    print(os.environ["MASTER_PORT"], os.environ["TORCHELASTIC_RESTART_COUNT"])
    """
    done = launch(textwrap.dedent(script))
    assert (done.outcome.exit_code, done.outcome.num_attempts) == (0, 2)
    assert done.notes == ["rank 1 was killed by SIGKILL; restarting, attempt 1"]
    assert done.text(0) == done.text(1)
    assert [(event.rank, event.code) for event in done.records("exit")][:2] == [(1, -9), (0, -15)]


def test_an_exception_that_repeats_is_given_up_with_its_reason(launch: Callable) -> None:
    done = launch(
        "import os\nif os.environ['RANK'] == '1': raise ValueError('bad batch 7')\nimport time; time.sleep(60)"
    )
    assert (done.outcome.exit_code, done.outcome.num_attempts) == (1, 2)
    for part in ("rank 1 left with exit code 1", "ValueError: bad batch 7", "2 attempts", "attempt-1.rank-1.log"):
        assert part in done.outcome.reason
    traceback = (done.run.logs / "attempt-0.rank-1.log").read_text().splitlines()
    assert traceback[0] == "Traceback (most recent call last):"
    assert "script.py" in traceback[1]


def test_a_permanent_exit_code_is_not_tried_again_and_is_passed_on(launch: Callable) -> None:
    script = "from drivetrain.core.errors import DataError\nraise DataError('no camera', hint='look at the log')"
    done = launch(script, num_ranks=1)
    assert (done.outcome.exit_code, done.outcome.num_attempts) == (65, 1)
    assert done.text(0, "stderr") == "error: no camera\n\nhint: look at the log\n"


@pytest.mark.parametrize(
    ("ending", "code"),
    [("sys.exit(7)", 7), ("sys.exit('no')", 1), ("sys.exit()", 0), ("os._exit(9)", 9), ("os.abort()", 1)],
)
def test_the_exit_code_is_that_of_the_rank(ending: str, code: int, launch: Callable) -> None:
    done = launch(f"import os, sys\n{ending}", num_ranks=1, restarts=0)
    assert done.outcome.exit_code == code


def test_of_a_crash_the_last_words_say_where_it_was(launch: Callable, tmp_path: Path) -> None:
    script = "import ctypes, sys\nprint('before', file=sys.stderr)\ndef read():\n    ctypes.string_at(0)\nread()"
    done = launch(script, num_ranks=1, restarts=0)
    reason = done.outcome.reason
    assert reason.startswith(
        "rank 0 was killed by SIGSEGV, its last words: Fatal Python error: Segmentation fault / File "
    )
    assert f'File "{tmp_path}/script.py", line 4 in read. Gave up' in reason
    assert done.text(0, "stderr").startswith("before\nFatal Python error")


def test_a_rank_ends_as_python_would_end_it(launch: Callable, tmp_path: Path) -> None:
    script = """
    import atexit, threading, time
    left_open = open("left-open.txt", "w")
    left_open.write("all of it")
    atexit.register(print, "at exit")
    def last():
        time.sleep(0.1)
        print("thread")
    threading.Thread(target=last).start()
    print("main", end=" ")
    """
    done = launch(textwrap.dedent(script), num_ranks=1)
    assert done.text(0) == "main thread\nat exit\n"
    assert (tmp_path / "left-open.txt").read_text() == "all of it"


def test_a_hang_is_found_by_the_journal_recorded_and_restarted(launch: Callable) -> None:
    script = RECORD + textwrap.dedent("""
    recorder.step_begin(4 + rank)
    if attempt == 0:
        import time
        time.sleep(60)
    """)
    done = launch(script, hang_after_s=0.3)
    assert (done.outcome.exit_code, done.outcome.num_attempts) == (0, 2)
    assert "rank 0 hung: no rank had recorded anything for" in done.notes[0]
    assert "at step 4" in done.notes[0]
    assert {event.of_rank for event in done.records("hang")} == {0, 1}


def test_a_program_that_keeps_no_journal_is_never_taken_to_hang(launch: Callable) -> None:
    done = launch("import time; time.sleep(0.6)", hang_after_s=0.1, num_ranks=1)
    assert (done.outcome.exit_code, done.outcome.num_attempts) == (0, 1)


def test_an_exception_with_progress_in_between_is_tried_again(launch: Callable) -> None:
    done = launch(RECORD + "recorder.step_begin(attempt)\nif attempt < 3: raise ValueError", num_ranks=1)
    assert (done.outcome.exit_code, done.outcome.num_attempts) == (0, 4)


def test_a_rank_that_ignores_sigterm_is_killed_after_the_grace(launch: Callable) -> None:
    script = """
    import os, signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready", flush=True)
    if os.environ["RANK"] == "1":
        while not os.path.exists("ready"): time.sleep(0.01)
        os._exit(70)
    open("ready", "w")
    time.sleep(60)
    """
    done = launch(textwrap.dedent(script), grace_s=0.2)
    assert done.outcome.exit_code == 70
    assert [(event.rank, event.code) for event in done.records("exit")] == [(1, 70), (0, -9)]


def test_what_a_rank_started_ends_with_it(launch: Callable, tmp_path: Path) -> None:
    script = """
    import subprocess
    child = subprocess.Popen(["sleep", "60"])
    stubborn = subprocess.Popen(["bash", "-c", "trap '' TERM; echo set; while true; do sleep 1; done"], stdout=-1)
    stubborn.stdout.readline()
    print(child.pid, stubborn.pid)
    """
    done = launch(textwrap.dedent(script), num_ranks=1, grace_s=0.2)
    assert not any(psutil.pid_exists(int(pid)) for pid in done.text(0).split())


def test_shared_memory_of_a_killed_rank_is_removed(launch: Callable) -> None:
    script = """
    import os, signal
    from multiprocessing.shared_memory import SharedMemory
    memory = SharedMemory(create=True, size=1 << 16)
    print(memory.name, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
    """
    done = launch(textwrap.dedent(script), num_ranks=1, restarts=0)
    assert not Path("/dev/shm", done.text(0).strip()).exists()


def test_other_programs_are_executed_with_their_environment(launch_spec: Callable, tmp_path: Path) -> None:
    command = ("bash", "-c", "echo $RANK of $WORLD_SIZE in $PWD; exit $RANK")
    done = launch_spec(LaunchSpec(command=command, num_ranks=2, restarts=0, cwd=tmp_path))
    assert done.outcome.exit_code == 1
    assert done.text(1) == f"1 of 2 in {tmp_path}\n"


def test_a_script_that_vanishes_between_attempts_is_told_plainly(launch: Callable) -> None:
    done = launch("import os\nos.unlink(__file__)\nos.kill(os.getpid(), 9)", num_ranks=1, restarts=1)
    assert done.outcome.exit_code == 2
    assert "script.py: No such file or directory" in done.text(0, "stderr")


def test_a_run_that_has_attempts_goes_on_with_the_next_number(launch: Callable) -> None:
    first = launch("print('one')", num_ranks=1)
    second = launch("import os; print(os.environ['DRIVETRAIN_ATTEMPT'])", num_ranks=1, run=first.run)
    assert second.text(0) == "1\n"
    assert (first.run.logs / "attempt-0.rank-0.log").read_text() == "one\n"
    assert [event.attempt for event in second.records("start")] == [0, 1]


def test_random_state_differs_between_ranks_as_between_fresh_processes(launch: Callable) -> None:
    script = "import random, numpy\nprint(random.random(), numpy.random.random())"
    done = launch(script, preload=("numpy", "random", "no.such.module"))
    assert not set(done.text(0).split()) & set(done.text(1).split())


def test_the_nursery_killed_takes_its_ranks_and_a_new_one_goes_on(launch: Callable) -> None:
    script = """
    import os, signal, time
    if os.environ["DRIVETRAIN_ATTEMPT"] == "0":
        if os.environ["RANK"] == "0":
            os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    """
    done = launch(textwrap.dedent(script))
    assert (done.outcome.exit_code, done.outcome.num_attempts) == (0, 2)
    assert done.notes[0] == "the process that starts the ranks died, and they with it"


def test_progress_is_told_while_ranks_run(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        RECORD + "import time\nrecorder.step_begin(3)\nrecorder.step_end(3)\nrecorder.log(4, {'loss': 0.5})\n"
        "recorder.step_begin(4)\n"
        "while not os.path.exists('seen'): time.sleep(0.01)\n"
    )
    seen = []

    def look(progress: object) -> None:
        seen.append(progress)
        if progress.step == 3:
            (tmp_path / "seen").touch()

    spec = LaunchSpec(command=("python", "script.py"), preload=(), cwd=tmp_path)
    Launcher(spec, create_run(["x"], 1), on_progress=look).run()
    assert (seen[-1].attempt, seen[-1].step, dict(seen[-1].scalars)) == (0, 3, {"loss": 0.5})
    assert [progress.num_alive for progress in seen[-2:]] == [1, 0]


def test_a_run_that_is_running_cannot_be_started_a_second_time(tmp_path: Path) -> None:
    run = create_run(["x"], 1)
    spec = LaunchSpec(command=("sh", "-c", "while ! test -e refused; do sleep 0.01; done"), cwd=tmp_path)
    refusals = []

    def start_again(_: object) -> None:
        with pytest.raises(UsageError, match=f"{run.id} is running") as refused:
            Launcher(spec, run).run()
        refusals.append(refused.value)
        (tmp_path / "refused").touch()

    assert Launcher(spec, run, on_progress=start_again).run().exit_code == 0
    assert refusals


def test_what_was_last_heard_of_a_lost_node_is_no_rank_while_another_node_is_waited_for() -> None:
    run = create_run(["true"], 2)
    launcher = Launcher(LaunchSpec(command=("true",), num_ranks=1, num_nodes=2), run, meet="job")
    launcher._attempt = Attempt(1, 0, grace_ns=0, watch=Watch(run, attempt=1, num_ranks=0))
    launcher._nodes = SimpleNamespace(process_states=lambda: {1: ("S", 3)})  # type: ignore[assignment]
    launcher._look_at_journals(mono_ns())
    assert launcher._inquiry is None
