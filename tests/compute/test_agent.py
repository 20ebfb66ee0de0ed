"""What an agent does before its ranks begin, and when what it was told is gone."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from drivetrain.compute.agent.assignment import Assignment, read_assignment, write_assignment
from drivetrain.compute.agent.beats import GONE
from drivetrain.compute.agent.client import ServerAwayError, ServerRefusedError
from drivetrain.compute.agent.main import Agent
from drivetrain.compute.policy.values import Share
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
        shares=(Share("a", ((0, 1000),)),),
        least_nodes=1,
        ranks=1,
        command=("true",),
    )
    write_assignment(tmp_path / "job-1.1", assignment)
    return tmp_path / "job-1.1"


def test_an_attempt_begins_when_the_one_before_has_left(told: Path) -> None:
    run = create_run(["true"], 1, run_id="run-1")
    agent = Agent(told, 0)
    waiting = threading.Thread(target=agent._await_predecessor)
    with claimed(run):
        waiting.start()
        assert waiting.is_alive()
    waiting.join(timeout=30)
    assert not waiting.is_alive()


def test_an_agent_whose_assignment_was_put_away_takes_its_attempt_to_be_over(told: Path) -> None:
    agent = Agent(told, 0)
    with pytest.raises(ServerAwayError):
        agent._client.beat(step=None, saved_step=None)
    (told / "assignment.json").write_bytes(b"{")  # as a file system shows it that is about to fail
    with pytest.raises(ServerAwayError):
        agent._client.beat(step=None, saved_step=None)
    shutil.rmtree(told)
    with pytest.raises(ServerRefusedError) as refused:
        agent._client.beat(step=None, saved_step=None)
    assert refused.value.status in GONE


def test_an_assignment_that_changes_is_never_seen_in_part(told: Path) -> None:
    path, before = told / "assignment.json", read_assignment(told)
    with path.open("rb") as reading:
        write_assignment(told, replace(before, server="http://127.0.0.1:10", name="x" * 10_000))
        assert b"127.0.0.1:9" in reading.read()
    assert read_assignment(told).server == "http://127.0.0.1:10"
    assert [each.name for each in told.iterdir()] == ["assignment.json"]
