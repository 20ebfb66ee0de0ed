"""What a controller may count on, of every engine that runs here."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from tests.server_process import wait_for
from tests.slurm_cluster import PROGRAMS, SlurmCluster

from drivetrain.compute.agent.assignment import Assignment, write_assignment
from drivetrain.compute.agent.claim import claim_file, holder
from drivetrain.compute.agent.leftovers import marked
from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.states import Why
from drivetrain.compute.engines import Ending, Engine, StartRequest
from drivetrain.compute.engines.fake import FakeEngine
from drivetrain.compute.engines.local import LocalEngine
from drivetrain.compute.engines.slurm import SlurmEngine, commands
from drivetrain.compute.policy.values import Share
from drivetrain.core.errors import StoreError

NODES = (NodeRecord(name="a", pool="p", gpu="cpu", num_gpus=2), NodeRecord(name="b", pool="p", gpu="cpu", num_gpus=2))
AGENT = """\
import subprocess, sys, time
from pathlib import Path
from drivetrain.compute.agent.claim import claim, claim_file
folder, member = Path(sys.argv[1]), int(sys.argv[2])
if claim(claim_file(folder, member)) is None:
    sys.exit()
with (folder / "started").open("a") as file:
    file.write(f"{{member}}\\n")
{leaves}
time.sleep(600)
"""
SLEEPS = "#!/bin/sh\nsleep 600\n"
LEAVES = 'subprocess.Popen(["sleep", "600"], start_new_session=True)  # what a killed agent leaves'


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """A real Slurm; a test that wants it is skipped where it is not installed, and fails in CI."""
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        end: Callable[[str], None] = pytest.fail if os.environ.get("CI") else pytest.skip
        end(f"{', '.join(missing)} is not installed: apt-get install slurm-wlm munge")
    cluster = SlurmCluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.down()


def made(name: str, folder: Path, request: pytest.FixtureRequest) -> Engine:
    """An engine by name, with two nodes or more; another one needs another line here."""
    if name == "slurm":
        monkeypatch = request.getfixturevalue("monkeypatch")
        for variable, value in request.getfixturevalue("cluster").env.items():
            monkeypatch.setenv(variable, value)
        return SlurmEngine("p", partition="main", folder=folder)
    return FakeEngine(NODES) if name == "fake" else LocalEngine(folder, NODES)


@pytest.fixture(params=["fake", "local", pytest.param("slurm", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine = made(request.param, tmp_path, request)
    yield engine
    engine.kill("job-1.0")
    wait_for(lambda: not engine.living(), "the agents to end")
    engine.close()
    engine.close()


@pytest.fixture
def asked(engine: Engine, tmp_path: Path) -> StartRequest:
    return request_of(tmp_path, [node.name for node in engine.nodes()[:2]], leaves=not isinstance(engine, SlurmEngine))


def request_of(folder: Path, nodes: Sequence[str], *, leaves: bool = True) -> StartRequest:
    """An attempt on these nodes. Args: leaves: whether agents leave something running, as Slurm sees to by itself."""
    shares = tuple(Share(node, ((0, 1000),)) for node in nodes)
    told = {"job": "job-1", "run": "run-1", "pool": "p", "name": "", "server": "", "token": "", "home": str(folder)}
    assignment = Assignment(
        attempt="job-1.0", nodes=tuple(nodes), least_nodes=len(nodes), ranks=1, command=("true",), **told
    )
    write_assignment(folder / "job-1.0", assignment)
    agent = folder / "agent.py"
    agent.write_text(AGENT.format(leaves=LEAVES if leaves else ""))
    return StartRequest(
        attempt="job-1.0",
        job_name="job",
        pool="p",
        shares=shares,
        agent=(sys.executable, str(agent), str(folder / "job-1.0")),
        env={},
    )


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
    wait_for(lambda: engine.living() == {}, "nothing to live")
    assert num_started(engine, tmp_path) == 2


def test_of_an_attempt_that_it_never_had_it_makes_nothing(engine: Engine) -> None:
    engine.leave("job-2.0")
    engine.kill("job-2.0")
    assert engine.living() == {}
    names = [node.name for node in engine.nodes()]
    assert len(set(names)) == len(names) >= 2
    assert all(node.pool == "p" and node.state == "up" and node.num_gpus for node in engine.nodes())


@pytest.mark.parametrize("name", ["local", pytest.param("slurm", marks=pytest.mark.slow)])
def test_an_engine_that_begins_anew_knows_its_agents_again(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    first, second = made(name, tmp_path, request), made(name, tmp_path, request)
    asked = request_of(tmp_path, [node.name for node in first.nodes()[:2]], leaves=name == "local")
    first.start(asked)
    wait_for(lambda: num_started(first, tmp_path) == 2, "the agents")
    second.start(asked)
    wait_for(lambda: second.living() == {"job-1.0": frozenset({0, 1})}, "the agents to be known")
    second.kill("job-1.0")
    wait_for(lambda: not second.living() and not first.living(), "the agents to end")
    assert num_started(second, tmp_path) == 2
    for engine in (first, second):
        engine.close()


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


def test_of_what_it_was_told_to_end_or_never_had_an_engine_says_no_ending(engine: Engine, asked: StartRequest) -> None:
    assert engine.ending("job-2.0") is None
    assert engine.known_as("job-2.0") == ""
    engine.start(asked)
    assert engine.ending("job-1.0") is None


@pytest.mark.slow
@pytest.mark.parametrize("num_nodes", [1, 2])
def test_slurm_says_that_it_took_a_node_or_that_somebody_cancelled_a_job(
    num_nodes: int, tmp_path: Path, request: pytest.FixtureRequest, cluster: SlurmCluster
) -> None:
    with closing(made("slurm", tmp_path, request)) as engine:
        names = [node.name for node in engine.nodes()[:num_nodes]]
    for what, why in (("cancel", Why.STOPPED), ("down", Why.LOST)):
        folder = tmp_path / what
        with closing(SlurmEngine("p", partition="main", folder=folder)) as engine:
            engine.start(request_of(folder, names, leaves=False))
            wait_for(lambda of=folder, by=engine: num_started(by, of) == num_nodes, "the agents")  # type: ignore[misc]
            number = engine.known_as("job-1.0").removeprefix("Slurm job ")
            if what == "cancel":
                commands.run(["scancel", number])
            else:
                commands.run(["scontrol", "update", f"nodename={names[0]}", "state=down", "reason=a fan"])
            ending = wait_for(lambda by=engine: _ending(by), "what Slurm says", patience_s=60)  # type: ignore[misc]
            assert ending.why is why
            assert ending.nodes == (() if what == "cancel" else (names[0],))
            engine.kill("job-1.0")
    wait_for(cluster.is_whole, "the node to be back", patience_s=60)


@pytest.fixture
def slurm(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SlurmEngine]:
    engine = made("slurm", tmp_path, request)
    assert isinstance(engine, SlurmEngine)
    yield engine
    engine.kill("job-1.0")
    wait_for(lambda: not engine.living(), "the agents to end")
    engine.close()


@pytest.mark.slow
def test_a_member_of_a_gang_on_slurm_runs_on_its_own_node_in_whatever_order_slurm_has_them(
    slurm: SlurmEngine, tmp_path: Path
) -> None:
    names = [node.name for node in slurm.nodes()[:3]][::-1]
    assert [_variable(pid, "SLURMD_NODENAME") for pid in begun(slurm, tmp_path, names)] == names


@pytest.mark.slow
@pytest.mark.parametrize("victims", [("agent",), ("wrapper", "agent"), ("slurmstepd", "agent")])
def test_of_a_gang_on_slurm_who_was_killed_is_over_and_the_others_live(
    victims: Sequence[str], slurm: SlurmEngine, tmp_path: Path
) -> None:
    names = [node.name for node in slurm.nodes()[:2]]
    pid = begun(slurm, tmp_path, names)[1]
    wrapper = _parent(pid)
    found = {"agent": pid, "wrapper": wrapper, "slurmstepd": _parent(wrapper)}
    for victim in victims:
        assert slurm.living() == {"job-1.0": frozenset({0, 1})}
        os.kill(found[victim], signal.SIGKILL)
    wait_for(lambda: slurm.living() == {"job-1.0": frozenset({0})}, "the end of who was killed")


@pytest.mark.slow
def test_of_a_gang_on_slurm_whose_node_was_taken_is_over_when_the_node_is_back(
    slurm: SlurmEngine, tmp_path: Path, cluster: SlurmCluster
) -> None:
    names = [node.name for node in slurm.nodes()[:2]]
    begun(slurm, tmp_path, names)
    commands.run(["scontrol", "update", f"nodename={names[1]}", "state=down", "reason=a fan"])
    wait_for(cluster.is_whole, "the node to be back")
    wait_for(lambda: slurm.living() == {"job-1.0": frozenset({0})}, "the end of who was there")


@pytest.mark.slow
def test_what_others_have_of_slurm_s_nodes_is_told_and_what_we_have_is_not(
    slurm: SlurmEngine, tmp_path: Path, cluster: SlurmCluster
) -> None:
    ours, theirs = (node.name for node in slurm.nodes()[:2])
    foreign = commands.run(["sbatch", "--parsable", f"--nodelist={theirs}", "--output=/dev/null"], text=SLEEPS).strip()
    begun(slurm, tmp_path, [ours])
    try:
        wait_for(lambda: _others(slurm)[theirs] == (1, 1.0), "the other job to be seen")
        assert _others(slurm)[ours] == (0, 0.0)
    finally:
        commands.run(["scancel", foreign])
    wait_for(lambda: set(_others(slurm).values()) == {(0, 0.0)}, "its end")


def _others(engine: SlurmEngine) -> dict[str, tuple[int, float]]:
    return {node.name: (node.others_gpus, node.others_cpus) for node in engine.nodes()}


@pytest.mark.slow
def test_an_agent_alone_on_slurm_that_was_killed_is_over(slurm: SlurmEngine, tmp_path: Path) -> None:
    (pid,) = begun(slurm, tmp_path, [slurm.nodes()[0].name])
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: slurm.living() == {}, "its end")


def begun(engine: Engine, folder: Path, nodes: Sequence[str]) -> list[int]:
    """Start an attempt on these nodes of Slurm's; its agents' processes."""
    engine.start(request_of(folder, nodes, leaves=False))
    wait_for(lambda: num_started(engine, folder) == len(nodes), "the agents")
    pids = [holder(claim_file(folder / "job-1.0", member)) for member in range(len(nodes))]
    return [pid for pid in pids if pid is not None]


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _variable(pid: int, name: str) -> str:
    found = dict(each.partition("=")[::2] for each in Path(f"/proc/{pid}/environ").read_text().split("\0"))
    return found[name]


def _ending(engine: Engine) -> Ending | None:
    try:
        return engine.ending("job-1.0")
    except StoreError:
        return None
