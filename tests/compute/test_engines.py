"""What a controller may count on, of every engine that runs here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.server_process import wait_for

from drivetrain.compute.agent.leftovers import marked
from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.engines import Engine, StartRequest
from drivetrain.compute.engines.fake import FakeEngine
from drivetrain.compute.engines.local import LocalEngine
from drivetrain.compute.policy.values import Share

NODES = (NodeRecord(name="a", pool="p", gpu="cpu", num_gpus=2), NodeRecord(name="b", pool="p", gpu="cpu", num_gpus=2))
AGENT = """\
import signal, subprocess, sys, time
from pathlib import Path
from drivetrain.compute.agent.claim import claim, claim_file
folder, member = Path(sys.argv[1]), int(sys.argv[2])
if claim(claim_file(folder, member)) is None:
    sys.exit()
with (folder / "started").open("a") as file:
    file.write(f"{member}\\n")
subprocess.Popen(["sleep", "600"], start_new_session=True)  # what a killed agent leaves
time.sleep(600)
"""


@pytest.fixture(params=["fake", "local"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    made = FakeEngine(NODES) if request.param == "fake" else LocalEngine(tmp_path, NODES)
    yield made
    made.kill("job-1.0")
    wait_for(lambda: not made.living(), "the agents to end")


@pytest.fixture
def asked(tmp_path: Path) -> StartRequest:
    (tmp_path / "job-1.0").mkdir()
    shares = (Share("a", ((0, 1000),)), Share("b", ((0, 1000),)))
    agent = (sys.executable, "-c", AGENT, str(tmp_path / "job-1.0"))
    return StartRequest(attempt="job-1.0", job_name="job", pool="p", shares=shares, agent=agent, env={})


def num_started(engine: Engine, folder: Path) -> int:
    if isinstance(engine, FakeEngine):
        return len(engine.started)
    path = folder / "job-1.0" / "started"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_members_that_were_asked_for_live_at_once_and_asking_again_starts_none(
    engine: Engine, asked: StartRequest, tmp_path: Path
) -> None:
    assert engine.living() == {}
    for _ in range(3):
        engine.start(asked)
        assert engine.living() == {"job-1.0": frozenset({0, 1})}
    assert wait_for(lambda: num_started(engine, tmp_path) >= 2, "the agents")
    engine.start(asked)
    assert num_started(engine, tmp_path) == 2


def test_what_was_killed_is_gone_with_all_that_it_left_and_never_starts_again(
    engine: Engine, asked: StartRequest, tmp_path: Path
) -> None:
    engine.start(asked)
    wait_for(lambda: num_started(engine, tmp_path) == 2, "the agents")
    engine.leave("job-1.0")
    engine.kill("job-1.0")
    wait_for(lambda: engine.living() == {}, "the agents to end")
    assert not {agent for agent in marked() if agent.startswith("job-1.0.")}
    engine.start(asked)
    assert engine.living() == {}
    assert num_started(engine, tmp_path) == 2


def test_of_an_attempt_that_it_never_had_it_makes_nothing(engine: Engine) -> None:
    engine.leave("job-2.0")
    engine.kill("job-2.0")
    assert engine.living() == {}
    assert [node.name for node in engine.nodes()] == ["a", "b"]


def test_an_engine_that_begins_anew_knows_its_agents_again(asked: StartRequest, tmp_path: Path) -> None:
    first, second = LocalEngine(tmp_path, NODES), LocalEngine(tmp_path, NODES)
    first.start(asked)
    wait_for(lambda: num_started(first, tmp_path) == 2, "the agents")
    second.start(asked)
    assert second.living() == {"job-1.0": frozenset({0, 1})}
    second.kill("job-1.0")
    wait_for(lambda: not second.living() and not first.living(), "the agents to end")
    assert num_started(first, tmp_path) == 2


def test_a_claim_that_another_server_puts_away_meanwhile_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "job-1.0" / "0.claim"
    path.parent.mkdir()
    path.touch()

    def put_away(claim: Path) -> None:
        claim.unlink()

    monkeypatch.setattr("drivetrain.compute.engines.local.engine.holder", put_away)
    assert LocalEngine(tmp_path, NODES).living() == {}
