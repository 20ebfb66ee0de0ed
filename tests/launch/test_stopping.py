"""Ctrl-C and worse: whatever ends the launcher, nothing of the run is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from drivetrain.ledger import JournalTail
from drivetrain.report.listing import list_lines

LAUNCH = """
import sys
from pathlib import Path
from drivetrain.core.units import NS_PER_S
from drivetrain.launch import Launcher, LaunchSpec
from drivetrain.store import create_run
script, grace_s, leave_s, *preload = sys.argv[1:]
spec = LaunchSpec(command=("python", script), num_ranks=2, preload=tuple(preload),
    grace_ns=int(float(grace_s) * NS_PER_S), leave_ns=int(float(leave_s) * NS_PER_S) or None)
print("launching", flush=True)
outcome = Launcher(spec, create_run(list(spec.command), 2)).run()
print("outcome", outcome.exit_code, outcome.reason, outcome.hint)
"""
SLEEP = "import subprocess, time\nhelper = subprocess.Popen(['sleep', '60'])\nprint('pid', helper.pid, flush=True)\n"


class Started:
    """A launcher in a process of its own, and every process below it that was ever seen."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.family: set[psutil.Process] = set()

    def wait_for_line(self, text: str, *, times: int = 1) -> None:
        for _ in range(times):
            while text not in (line := self.process.stdout.readline()):
                assert line, f"the launcher ended before it printed {text!r}"
        self.family |= set(psutil.Process(self.process.pid).children(recursive=True))

    def end(self) -> tuple[int, str]:
        """Its exit code and what else it printed, once it and its family are gone."""
        rest = self.process.stdout.read()
        code = self.process.wait(timeout=20)
        _, alive = psutil.wait_procs(self.family, timeout=5)
        assert not alive, f"processes left running: {alive}"
        return code, rest


@pytest.fixture
def start(tmp_path: Path) -> Iterator:
    started: list[Started] = []

    def run(script: str, *preload: str, grace_s: float = 3, leave_s: float = 0, under: tuple[str, ...] = ()) -> Started:
        (tmp_path / "script.py").write_text(textwrap.dedent(script))
        settings = [str(tmp_path / "script.py"), str(grace_s), str(leave_s), *preload]
        command = [*under, sys.executable, "-c", LAUNCH, *settings]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
        started.append(Started(process))
        return started[-1]

    yield run
    for each in started:
        each.process.kill()
        each.process.wait()
        each.process.stdout.close()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_ranks_and_what_they_started_and_closes_the_journal(signum: int, start, own_home: Path) -> None:
    launcher = start(SLEEP + "time.sleep(60)")
    launcher.wait_for_line("pid", times=2)
    launcher.process.send_signal(signum)
    _, rest = launcher.end()
    assert f"outcome {128 + signum} stopped by {signal.Signals(signum).name}" in rest
    (journal,) = own_home.glob("runs/*/journal/launcher.jsonl")
    events = JournalTail(journal).poll()
    assert {(event.rank, event.code) for event in events if event.kind == "exit"} == {(0, -15), (1, -15)}
    assert sum(event.kind == "release" for event in events) == 2
    assert "no checkpoint of it is known; begin it again with the same command: drivetrain run --run run-" in rest
    (line,) = list_lines()
    assert line.status == "stopped"


@pytest.mark.parametrize(
    ("step", "hint"), [(3, "go on from its newest checkpoint"), (0, "no checkpoint of it is known")]
)
def test_what_a_loop_has_saved_in_a_place_of_its_own_is_worth_going_on_from(start, step: int, hint: str) -> None:
    launcher = start(
        f"""
        import time
        import drivetrain as dt
        for step in range(3):
            dt.step_done(step)
            if step + 1 == {step}:
                with dt.phase("checkpoint"):
                    pass
        print("ready", flush=True)
        time.sleep(60)
        """
    )
    launcher.wait_for_line("ready", times=2)
    launcher.process.send_signal(signal.SIGTERM)
    assert hint in launcher.end()[1]


def test_a_second_ctrl_c_kills_at_once_what_ignores_the_first(start) -> None:
    launcher = start(
        """
        import signal, time
        def told(signum, frame): print("told", flush=True)
        signal.signal(signal.SIGTERM, told)
        print("ready", flush=True)
        while True: time.sleep(1)
        """,
        grace_s=100,
    )
    launcher.wait_for_line("ready", times=2)
    launcher.process.send_signal(signal.SIGINT)
    launcher.wait_for_line("told", times=2)
    launcher.process.send_signal(signal.SIGINT)
    assert "outcome 130" in launcher.end()[1]


SAVES = """
import os, signal, sys, time
def save(signum, frame):
    print("saving", flush=True)
    while not os.path.exists("go"): time.sleep(0.01)
    print("saved", flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
while True: time.sleep(1)
"""


def test_with_a_time_to_leave_in_all_of_it_is_the_ranks_however_often_they_are_told(start, tmp_path: Path) -> None:
    launcher = start(SAVES, grace_s=0.01, leave_s=100)
    launcher.wait_for_line("ready", times=2)
    launcher.process.send_signal(signal.SIGTERM)
    launcher.wait_for_line("saving", times=2)
    for _ in range(3):
        launcher.process.send_signal(signal.SIGTERM)
    (tmp_path / "go").touch()
    _, rest = launcher.end()
    assert rest.count("saved") == 2
    assert "outcome 143" in rest


def test_what_ignores_that_it_has_to_leave_is_killed_when_the_time_for_it_is_over(start) -> None:
    launcher = start(SAVES, grace_s=100, leave_s=0.3)
    launcher.wait_for_line("ready", times=2)
    launcher.process.send_signal(signal.SIGTERM)
    _, rest = launcher.end()
    assert "saved" not in rest
    assert "outcome 143" in rest


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pipe whose reading returns once the nursery imports `slow_to_import`, which takes a minute."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    os.mkfifo(tmp_path / "imported")
    (tmp_path / "slow_to_import.py").write_text("import time\nopen('imported', 'w').close()\ntime.sleep(60)\n")
    return tmp_path / "imported"


def test_ctrl_c_while_the_nursery_imports_starts_no_rank(start, imported: Path) -> None:
    launcher = start("print('a rank')", "slow_to_import")
    launcher.wait_for_line("launching")
    imported.read_text()
    launcher.family |= set(psutil.Process(launcher.process.pid).children(recursive=True))
    launcher.process.send_signal(signal.SIGINT)
    _, rest = launcher.end()
    assert "outcome 130" in rest
    assert "a rank" not in rest


def test_a_killed_launcher_leaves_no_process(start) -> None:
    launcher = start(SLEEP + "time.sleep(60)")
    launcher.wait_for_line("pid", times=2)
    assert len(launcher.family) == 5  # the nursery, two ranks, a helper of each
    launcher.process.kill()
    launcher.end()


def test_a_launcher_killed_while_its_nursery_imports_leaves_no_process(start, imported: Path) -> None:
    launcher = start("print('a rank')", "slow_to_import")
    imported.read_text()
    launcher.wait_for_line("launching")
    launcher.process.kill()
    assert launcher.end()[0] == -signal.SIGKILL


def test_nursery_and_launcher_killed_together_leave_no_rank(start) -> None:
    launcher = start("import time\nprint('ready', flush=True)\ntime.sleep(60)")
    launcher.wait_for_line("ready", times=2)
    (nursery,) = psutil.Process(launcher.process.pid).children()
    os.kill(launcher.process.pid, signal.SIGSTOP)
    nursery.kill()
    launcher.process.kill()
    assert launcher.end()[0] == -signal.SIGKILL


def test_ctrl_c_ends_ranks_whose_nursery_does_not_listen(start) -> None:
    launcher = start("import time\nprint('ready', flush=True)\ntime.sleep(60)", grace_s=0.1)
    launcher.wait_for_line("ready", times=2)
    (nursery,) = psutil.Process(launcher.process.pid).children()
    nursery.suspend()
    launcher.process.send_signal(signal.SIGINT)
    assert "outcome 130" in launcher.end()[1]


def test_ranks_that_are_ended_in_mid_checkpoint_leave_no_half_of_it(start, own_home: Path) -> None:
    launcher = start(
        """
        import os, time
        from drivetrain.store import run_folder
        path = run_folder(os.environ["DRIVETRAIN_RUN"]).checkpoints
        (path / "step-00000010").mkdir(parents=True, exist_ok=True)
        (path / "step-00000020.incomplete").mkdir(parents=True, exist_ok=True)
        print("ready", flush=True)
        time.sleep(60)
        """
    )
    launcher.wait_for_line("ready", times=2)
    launcher.process.send_signal(signal.SIGINT)
    assert "go on from its newest checkpoint" in launcher.end()[1]
    assert [path.name for path in own_home.glob("runs/*/checkpoints/*")] == ["step-00000010"]


def test_under_nohup_a_closed_terminal_does_not_stop_the_run(start, tmp_path: Path) -> None:
    script = "import os, time\nprint('ready', flush=True)\nwhile not os.path.exists('go-on'): time.sleep(0.01)"
    launcher = start(script, under=("nohup",))
    launcher.wait_for_line("ready", times=2)
    launcher.process.send_signal(signal.SIGHUP)
    (tmp_path / "go-on").touch()
    assert "outcome 0" in launcher.end()[1]
