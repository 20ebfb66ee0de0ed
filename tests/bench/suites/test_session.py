"""A session measures what can be measured, and names what goes wrong."""

from __future__ import annotations

import itertools
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from drivetrain.bench.suites import Session, opened
from drivetrain.core.errors import DataError, UsageError

MISBEHAVING = """
import os, signal, subprocess, sys, tempfile, threading

LIMIT_S = 4
MEMORY_BYTES = 1 << 30


def bench_before():
    return {"x": 1}


def bench_raises():
    raise ValueError("no such lane")


def bench_hangs():
    threading.Event().wait()


def bench_prints():
    print("hello\\n" * 3)
    return {"x": 1}


def bench_leaks_a_process():
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
    return {"x": 1}


def bench_leaks_a_thread():
    threading.Thread(target=threading.Event().wait, name="reader").start()
    return {"x": 1}


def bench_forks():
    os.fork()
    return {"x": 1}


def bench_forks_each_time():
    os.fork()


def bench_takes_memory():
    bytearray(2 << 30)


def bench_leaves():
    os._exit(3)


def bench_is_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def bench_kills_its_guard():
    os.kill(os.getppid(), signal.SIGKILL)
    threading.Event().wait()


def bench_gives_no_number():
    return {"loss": float("nan")}


def bench_gives_text():
    return "fast"


def bench_closes_what_is_not_its():
    os.closerange(0, 3)
    sys.stdout = None
    return {"x": 1}


def bench_removes_its_folder():
    import shutil
    shutil.rmtree(os.getcwd())
    return {"x": 1}


def bench_ends_its_guard():
    os.kill(os.getppid(), signal.SIGTERM)
    threading.Event().wait()


def bench_after():
    tempfile.mkdtemp()
    return {"x": 2}
"""

FORMS = """
import itertools
import os


def bench_call(n=(10, 20)):
    values = list(range(n, 0, -1))
    return lambda: sorted(values)


def bench_body():
    sum(range(1000))


def bench_steps():
    for step in range(40):
        sum(range(20_000 if step < 6 else 500))
        yield 1 / (step + 1)


def bench_own():
    return {"images_per_s": [1, 5, 3], "held_bytes": 7, "num_cores": len(os.sched_getaffinity(0)), "mean_iou": 0.5}


HIGHER_IS_BETTER = {"mean_iou"}
JUDGED = {"cpu_s", "mean_iou"}
"""


def run(file: Path, tmp_path: Path, *, samples: int = 1, against: str | None = None, case: str = "") -> Session:
    with opened(file, against) as bench:
        return bench.run(bench.suite.only(case), samples, tmp_path / "logs", lambda *_: None)


def suite(folder: Path, text: str) -> Path:
    file = folder / "mine.py"
    file.write_text(text, encoding="utf-8")
    return file


def git(folder: Path, *args: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One whose code says 1 in the only commit, and 2 in the working tree."""
    top = tmp_path / "repository"
    (top / "src").mkdir(parents=True)
    (top / "benchmarks").mkdir()
    git(top, "init", "--quiet")
    (top / "src" / "lanes.py").write_text("WIDTH = 1\n")
    suite(top / "benchmarks", "def bench_width():\n    import lanes\n    return {'width': lanes.WIDTH}\n")
    git(top, "add", ".")
    git(top, "commit", "--quiet", "-m", "one")
    (top / "src" / "lanes.py").write_text("WIDTH = 2\n")
    return top


def test_whatever_a_case_does_the_others_are_measured_and_nothing_of_it_lives_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    session = run(suite(tmp_path, MISBEHAVING), tmp_path)
    kinds = {finding.case: finding.trouble.kind for finding in session.findings}
    assert kinds == {
        "raises": "failed",
        "hangs": "hung",
        "prints": "printed",
        "leaks_a_process": "leaked",
        "leaks_a_thread": "leaked",
        "forks": "forked",
        "forks_each_time": "forked",
        "takes_memory": "memory",
        "leaves": "failed",
        "is_killed": "killed",
        "kills_its_guard": "killed",
        "ends_its_guard": "killed",
        "gives_no_number": "failed",
        "gives_text": "failed",
    }
    measured = [result.case for result in session.results]
    assert measured[:6] == ["before", "prints", "leaks_a_process", "leaks_a_thread", "forks", "forks_each_time"]
    assert measured[6:] == ["closes_what_is_not_its", "removes_its_folder", "after"]
    why = {finding.case: finding.trouble.why for finding in session.findings}
    assert "ValueError: no such lane (line 13)" in why["raises"]
    assert "1.00 GiB" in why["takes_memory"]
    assert "loss is nan" in why["gives_no_number"]
    assert processes_in(tmp_path) == []


def processes_in(folder: Path) -> list[str]:
    """Command lines of processes whose store lies below a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment, command = (process / "environ").read_bytes(), (process / "cmdline").read_bytes()
        except OSError:
            continue
        if f"DRIVETRAIN_HOME={folder}/drivetrain-bench-".encode() in environment:
            found.append(command.decode())
    return found


def test_what_a_function_gives_says_how_it_is_measured(tmp_path: Path) -> None:
    session = run(suite(tmp_path, FORMS), tmp_path)
    found = {result.name: result.metrics for result in session.results}
    assert list(found) == ["mine/call[n=10]", "mine/call[n=20]", "mine/body", "mine/steps", "mine/own"]
    assert {"wall_s", "cpu_s", "peak_bytes", "alloc_peak_bytes"} <= found["mine/call[n=10]"].keys()
    assert {"wall_s", "cpu_s", "peak_bytes", "alloc_peak_bytes"} <= found["mine/body"].keys()
    assert found["mine/steps"]["loss_at_20"].samples == (1 / 20,)
    assert {"loss_at_10", "loss_at_40"} <= found["mine/steps"].keys()
    own = found["mine/own"]
    assert own["images_per_s"].samples == (3,)
    assert (own["images_per_s"].unit, own["images_per_s"].better) == ("/s", "higher")
    assert (own["held_bytes"].unit, own["held_bytes"].better) == ("bytes", "lower")
    assert own["mean_iou"].better == "higher"
    judged = {name for metrics in found.values() for name, metric in metrics.items() if metric.is_judged}
    assert judged == {"cpu_s", "mean_iou"}
    assert session.findings == () or all(finding.is_remark for finding in session.findings)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core is all there is")
def test_a_sample_is_pinned_to_one_core(tmp_path: Path) -> None:
    [result] = run(suite(tmp_path, FORMS), tmp_path, case="own").results
    assert result.metrics["num_cores"].samples == (1,)
    assert result.environment["pinned_to"] in {str(core) for core in os.sched_getaffinity(0)}
    assert {"cpu", "load", "python", "instructions"} <= result.environment.keys()


def test_two_commits_take_turns_and_the_repository_is_left_as_it_was(repository: Path, tmp_path: Path) -> None:
    session = run(repository / "benchmarks" / "mine.py", tmp_path, samples=4, against="HEAD")
    a, b = session.results
    assert (a.side, b.side) == ("A", "B")
    assert a.metrics["width"].samples == (1,) * 4
    assert b.metrics["width"].samples == (2,) * 4
    assert a.order == b.order == "ABBAABBA"
    assert a.session == b.session
    assert (a.commit, b.commit) == (b.against, f"{b.against} with uncommitted changes")
    assert git(repository, "worktree", "list").count("\n") == 0
    assert git(repository, "status", "--porcelain", "-uno") == "M src/lanes.py"


def test_a_case_that_an_older_commit_cannot_run_is_measured_on_the_newer_alone(
    repository: Path, tmp_path: Path
) -> None:
    (repository / "src" / "lanes.py").write_text("WIDTH = NUM = 2\n")
    file = suite(repository / "benchmarks", "def bench_num():\n    import lanes\n    return {'num': lanes.NUM}\n")
    session = run(file, tmp_path, samples=3, against="HEAD")
    [result], [finding] = session.results, session.findings
    assert result.metrics["num"].samples == (2,) * 3
    assert (result.side, result.against, result.order) == ("B", "", "")
    assert (finding.side, finding.count) == ("A", 1)
    assert "has no attribute 'NUM'" in finding.trouble.why


def test_samples_made_before_a_failure_are_kept(tmp_path: Path) -> None:
    counting = "from pathlib import Path\n\n\ndef bench_twice():\n    done = Path('done')\n"
    counting += "    n = len(done.read_text()) if done.exists() else 0\n    assert n < 2, 'used up'\n"
    counting += "    done.write_text('x' * (n + 1))\n    return {'n': n}\n"
    session = run(suite(tmp_path, counting), tmp_path, samples=5)
    [result], [finding] = session.results, session.findings
    assert result.metrics["n"].samples == (0, 1)
    assert "used up" in finding.trouble.why


def test_ctrl_c_keeps_what_was_measured(tmp_path: Path) -> None:
    file = suite(tmp_path, "def bench_x():\n    return {'x': 1}\n")

    def interrupt(done: int, total: int, note: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with opened(file, None) as bench:
        session = bench.run(bench.suite, 5, tmp_path / "logs", interrupt)
    assert session.is_stopped
    assert session.results[0].metrics["x"].samples == (1, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n", "no function whose name begins with bench_"),
        ("import nowhere\n", "No module named 'nowhere' (line 1)"),
        ("def bench_(:\n", "SyntaxError"),
        ("def bench_x(n):\n    pass\n", "no default for n"),
        ("def bench_x(n=()):\n    pass\n", "must be text, numbers or truth values"),
        ("LIMIT_S = 'long'\n\n\ndef bench_x():\n    pass\n", "settings that are none"),
        ("LIMIT_S = 0\n\n\ndef bench_x():\n    pass\n", "must be more than 0"),
        ("import sys\nsys.exit('no')\n", "SystemExit: no"),
    ],
)
def test_a_file_that_is_no_suite_is_one_error(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError) as caught, opened(suite(tmp_path, text), None):
        pass
    assert words in str(caught.value)


def test_a_commit_that_is_none_is_one_error(repository: Path, tmp_path: Path) -> None:
    for file, words in [
        (repository / "benchmarks" / "mine.py", "no commit '--all'"),
        (suite(tmp_path, FORMS), "no git"),
    ]:
        with pytest.raises(UsageError) as caught, opened(file, "--all"):
            pass
        assert words in str(caught.value)


def test_the_noise_of_a_session_is_a_share(tmp_path: Path) -> None:
    [result] = run(suite(tmp_path, FORMS), tmp_path, samples=6, case="own").results
    assert result.noise_floor["mean_iou"] == 0
    assert 0 <= result.noise_floor["peak_bytes"] < 1


TURNS = """
import os, time
from pathlib import Path

FILE = Path(__file__).with_name("turns")


def bench_turn():
    def call():
        began_ns = time.monotonic_ns()
        sum(range(300_000))
        with FILE.open("a") as file:
            file.write(f"{os.getpid()} {began_ns} {time.monotonic_ns()}\\n")

    return call
"""


def test_two_processes_take_turns_and_never_work_at_the_same_time(tmp_path: Path) -> None:
    run(suite(tmp_path, TURNS), tmp_path, samples=2)
    lines = (tmp_path / "turns").read_text().splitlines()
    calls = sorted((began_ns, ended_ns, pid) for pid, began_ns, ended_ns in (map(int, line.split()) for line in lines))
    assert all(call[1] <= following[0] for call, following in itertools.pairwise(calls))
    who = [pid for pid, _ in itertools.groupby(pid for _, _, pid in calls)]
    assert len(set(who)) == 2
    assert len(who) > 6


@pytest.mark.slow  # it waits for the limit three times, which has to leave a busy machine time for what does not hang
def test_of_two_that_take_turns_the_one_that_hangs_is_named(repository: Path, tmp_path: Path) -> None:
    text = "import threading\nLIMIT_S = 5\n\n\ndef bench_wait():\n    import lanes\n"
    text += "    return threading.Event().wait if lanes.WIDTH == 1 else lambda: None\n"
    session = run(suite(repository / "benchmarks", text), tmp_path, samples=1, against="HEAD")
    assert [result.side for result in session.results] == ["B"]
    assert [(finding.side, finding.trouble.kind) for finding in session.findings] == [("A", "hung")]


def test_programs_that_a_suite_starts_have_the_code_of_its_side(repository: Path, tmp_path: Path) -> None:
    text = "import subprocess, sys\n\n\ndef bench_width():\n"
    text += "    command = [sys.executable, '-c', 'import lanes; print(lanes.WIDTH)']\n"
    text += "    return {'width': subprocess.run(command, capture_output=True, text=True, check=True).stdout}\n"
    a, b = run(suite(repository / "benchmarks", text), tmp_path, samples=1, against="HEAD").results
    assert (a.metrics["width"].samples, b.metrics["width"].samples) == ((1,), (2,))


def test_a_case_that_never_gets_ready_is_waited_for_once(tmp_path: Path) -> None:
    text = "import threading\nLIMIT_S = 2\n\n\ndef bench_wait():\n    threading.Event().wait()\n"
    file = suite(tmp_path, text)
    session = run(file, tmp_path, samples=20)
    assert [(finding.trouble.kind, finding.count) for finding in session.findings] == [("hung", 1)]
