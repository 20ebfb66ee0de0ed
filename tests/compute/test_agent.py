"""What an agent does before its ranks begin, and when what it was told is gone."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from drivetrain.compute.agent.assignment import Assignment, read_assignment, write_assignment
from drivetrain.compute.agent.client import GONE, AgentClient, ServerAwayError, ServerRefusedError
from drivetrain.compute.agent.work import Agent
from drivetrain.launch.claim import claimed
from drivetrain.store import create_run


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an attempt whose server is away."""
    home = tmp_path / "home"
    monkeypatch.setenv("DRIVETRAIN_HOME", str(home))
    assignment = Assignment(
        attempt="job-1.1",
        job="job-1",
        run="run-1",
        pool="p",
        name="",
        server="http://127.0.0.1:9",
        token="",
        home=str(home),
        nodes=("a",),
        least_nodes=1,
        ranks=1,
        command=("true",),
    )
    write_assignment(tmp_path / "job-1.1", assignment)
    return tmp_path / "job-1.1"


def test_agents_that_run_while_their_server_is_upgraded_are_told_all_that_they_read() -> None:
    read = "attempt job run pool name server token home nodes least_nodes ranks command"
    assert {*read.split()} <= {*Assignment.__struct_fields__}, "without one of these they find no newer server"


def test_an_attempt_begins_when_the_one_before_has_left(told: Path) -> None:
    run = create_run(["true"], 1, run_id="run-1")
    assignment = read_assignment(told)
    agent = Agent(assignment, AgentClient.of(told, assignment, 0), lambda: AgentClient.of(told, assignment, 0))
    waiting = threading.Thread(target=agent._await_predecessor)
    with claimed(run):
        waiting.start()
        assert waiting.is_alive()
    waiting.join(timeout=30)
    assert not waiting.is_alive()


def test_an_agent_whose_assignment_was_put_away_takes_its_attempt_to_be_over(told: Path) -> None:
    client = AgentClient.of(told, read_assignment(told), 0)
    client.begin_beat()
    with pytest.raises(ServerAwayError):
        client.beat(step=None, saved_step=None)
    (told / "assignment.json").write_bytes(b"{")  # as a file system shows it that is about to fail
    with pytest.raises(ServerAwayError):
        client.beat(step=None, saved_step=None)
    shutil.rmtree(told)
    with pytest.raises(ServerRefusedError) as refused:
        client.beat(step=None, saved_step=None)
    assert refused.value.status in GONE


def test_an_assignment_that_changes_is_never_seen_in_part(told: Path) -> None:
    path, before = told / "assignment.json", read_assignment(told)
    with path.open("rb") as reading:
        write_assignment(told, replace(before, server="http://127.0.0.1:10", name="x" * 10_000))
        assert b"127.0.0.1:9" in reading.read()
    assert read_assignment(told).server == "http://127.0.0.1:10"
    assert [each.name for each in told.iterdir()] == ["assignment.json"]


def test_what_comes_before_the_first_rank_imports_nothing_that_takes_long() -> None:
    begin = "import sys; from drivetrain.compute.agent import main"
    agent = _modules(
        f"{begin}; main._import_msgspec(); import drivetrain.compute.agent.work, drivetrain.launch.launcher"
    )
    slow = {"dataclasses", "inspect", "ast", "typing_extensions", "logging", "tomllib", "difflib", "random", "tempfile"}
    slow |= {"json", "socket", "traceback", "urllib.parse", "ctypes", "hashlib", "uuid", "decimal", "datetime"}
    more = {"subprocess", "shutil", "email", "ssl", "http.client", "weakref", "warnings", "msgspec._json_schema"}
    assert not (slow | more) & agent
    forks_ranks = _modules("import sys; from drivetrain.launch import spares, nursery")
    assert not (slow - {"tempfile", "urllib.parse"} | {"msgspec", "subprocess"}) & forks_ranks


def test_what_an_agent_is_told_and_its_code_are_understood_without_compiling_anything(told: Path) -> None:
    program = """
import builtins, pathlib, sys
from drivetrain.compute.agent import main
compiles = builtins.compile
def of_files_alone(source, *others, **named):
    assert isinstance(source, bytes), source
    return compiles(source, *others, **named)
builtins.compile = of_files_alone
main._import_msgspec()
from drivetrain.compute.agent import assignment, work
from drivetrain.launch import launcher
assert work.decode_manifest(b'{"entries": [["a.py", false, 1, "%s"]]}' % (b"0" * 64)).entries
print(assignment.read_assignment(pathlib.Path(sys.argv[1])).attempt)
"""
    run = subprocess.run([sys.executable, "-c", program, told], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout == "job-1.1\n"


def _modules(program: str) -> set[str]:
    """What an interpreter has imported after a program."""
    command = [sys.executable, "-c", f"{program}; print(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split())


def test_an_agent_told_to_leave_while_it_imports_begins_nothing_and_says_so() -> None:
    program = """
import os, signal
from drivetrain.compute.agent.assignment import Assignment
from drivetrain.compute.agent.work import Agent

class Server:
    def beat(self, **how_far): print("asks", flush=True)
    def exited(self, exit_code, words, **more): print("exited", exit_code, words, flush=True)
    def close(self): pass

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
os.kill(os.getpid(), signal.SIGTERM)
told = Assignment(attempt="job-1.1", job="job-1", run="run-1", pool="p", name="", server="", token="", home="/nowhere",
                  nodes=(), least_nodes=1, ranks=1, command=("true",))
print(Agent(told, Server(), Server).work())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["exited 143 ", "143"]


def test_an_agent_leaves_when_it_is_told_to_though_nobody_reads_any_more_what_it_says() -> None:
    program = """
import time
from types import SimpleNamespace
from drivetrain.compute.agent import beats

beats.EVERY_S = 0.0
with beats.Beats(SimpleNamespace(beat=lambda **how_far: "it was stopped"), lambda: (None, None), None):
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as agent:
        assert agent.stdout is not None
        agent.stdout.close()
        assert agent.wait() == -signal.SIGTERM
