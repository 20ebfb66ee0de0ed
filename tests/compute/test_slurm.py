"""What Slurm is told, and what is read from what it prints."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.server_process import wait_for

from drivetrain.compute.agent.assignment import Assignment, write_assignment
from drivetrain.compute.agent.main import BEGIN
from drivetrain.compute.controller.states import Why
from drivetrain.compute.engines import CannotStartError, StartRequest
from drivetrain.compute.engines.slurm import SlurmEngine, commands, endings
from drivetrain.compute.engines.slurm.amounts import Amount, amount_of, asked_of
from drivetrain.compute.engines.slurm.others import Others, hides_jobs, is_contested, without
from drivetrain.compute.engines.slurm.queue import attempt_of, read_jobs
from drivetrain.compute.policy.values import Share
from drivetrain.core.errors import StoreError

NODES = "".join(
    f"NodeName={name} Partitions=main State={state} CPUTot=2\n"
    for name, state in (("n1", "IDLE"), ("n2", "DOWN*"), ("n3", "IDLE+DRAIN"))
)
REFUSALS = (
    ("sbatch: error: invalid partition specified: nope", True),
    ("sbatch: error: Batch job submission failed: Requested node configuration is not available", True),
    ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", False),
    ("sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)", False),
)
SHARES = (Share("n1", ((0, 1000),)), Share("n2", ((0, 1000),)))

REQUEST = StartRequest(
    attempt="job-1.0",
    job_name="it's; rm -rf $HOME",
    pool="slurm",
    shares=SHARES,
    agent=("/venv/bin/python", *BEGIN, "/home/agents/job-1.0"),
    env={"DRIVETRAIN_HOME": "/home"},
    max_runtime_s=600.0,
)


def test_a_request_is_this_batch_job_and_names_no_word_of_a_user_to_a_shell() -> None:
    assert commands.batch_arguments(REQUEST, "main", "/log") == [
        "sbatch",
        "--parsable",
        "--job-name=it_s_ rm -rf _HOME",
        "--comment=drivetrain:job-1.0 milli=1000 cpus=1.000 memory=0",
        "--nodes=2",
        "--ntasks=2",
        "--ntasks-per-node=1",
        "--nodelist=n1,n2",
        "--no-requeue",
        "--no-kill",
        "--propagate=NONE",
        "--output=/log",
        "--export=ALL",
        "--partition=main",
        "--cpus-per-task=1",
        "--time=11",
    ]
    assert commands.script(REQUEST) == (
        "#!/bin/sh\nexec srun --distribution=arbitrary --nodelist=n1,n2 --cpus-per-task=1 --kill-on-bad-exit=0"
        " --no-kill sh -c 'trap : TERM PIPE; /venv/bin/python -c"
        f' "{BEGIN[1]}" /home/agents/job-1.0 "$SLURM_PROCID";'
        ' touch /home/agents/job-1.0/"$SLURM_PROCID".ended\'\n'
    )
    assert commands.script(replace(REQUEST, shares=SHARES[:1])) == (
        f'#!/bin/sh\nexec /venv/bin/python -c "{BEGIN[1]}" /home/agents/job-1.0 0\n'
    )


@pytest.mark.parametrize("is_first", [True, False])
def test_slurm_is_asked_for_an_attempt_unless_nobody_can_have_asked_for_it_before(
    is_first: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    heard: list[tuple[str, object]] = []

    def run(arguments: Sequence[str], *, text: str = "", env: object = None) -> str:
        heard.append((arguments[0], dict(env)["DRIVETRAIN_HOME"] if text else None))  # type: ignore[call-overload]
        return NODES if arguments[0] == "scontrol" else "7|RUNNING|n1|None|main|drivetrain:job-1.0\n"

    monkeypatch.setattr(commands, "run", run)
    env = {"DRIVETRAIN_HOME": "/home,x=y"}
    request = StartRequest(
        attempt="job-1.0", job_name="", pool="slurm", shares=SHARES, agent=("agent",), env=env, is_first=is_first
    )
    with closing(SlurmEngine("slurm", partition="main", folder=tmp_path)) as engine:
        engine.start(request)
    assert [each for each in heard if each[0] == "sbatch"] == ([("sbatch", env["DRIVETRAIN_HOME"])] if is_first else [])


def test_of_a_cluster_that_several_servers_use_each_sees_its_own_jobs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run(arguments: Sequence[str], *, text: str = "") -> str:
        assert not text
        return said_by(
            arguments, "7|RUNNING|n1,n2|None|main|drivetrain:job-1.0\n8|RUNNING|n1|None|main|drivetrain:job-2.0\n"
        )

    monkeypatch.setattr(commands, "run", run)
    write_assignment(tmp_path / "job-1.0", told("job-1.0", *SHARES))
    with closing(SlurmEngine("slurm", partition="main", folder=tmp_path)) as engine:
        assert engine.living() == {"job-1.0": frozenset({0})}


OTHERS = (
    "NodeName=n1 Partitions=main State=MIXED CPUTot=64 CPUAlloc=40 RealMemory=1000 AllocMem=600"
    " Gres=gpu:a100:8(S:0-1) GresUsed=gpu:a100:6(IDX:0-5)\n"
    "NodeName=n2 Partitions=main State=MIXED CPUTot=8 CPUAlloc=6 RealMemory=1000 AllocMem=0 Gres=(null)\n"
)
SAID = (
    "7|RUNNING|n1|None|main|drivetrain:job-1.0 milli=2000 cpus=16.000 memory=104857600\n"
    "8|COMPLETING|n2|None|main|drivetrain:job-2.0 milli=1000 cpus=1.000 memory=0\n"  # what it was told is put away
    "9|RUNNING|n1|None|main|drivetrain:job-9.0 milli=1000 cpus=1.000 memory=0\n"  # of another server
    "10|RUNNING|n1|None|main|(null)\n"
    "11|PENDING||Resources|main|drivetrain:job-3.0 milli=8000 cpus=0.000 memory=0\n"
)
ON_THEM = read_jobs(SAID)


def test_what_slurm_has_given_and_not_to_jobs_of_ours_is_others() -> None:
    ours = {"job-1.0", "job-2.0", "job-3.0"}
    others = Others(ours.__contains__)
    seen = others.see(OTHERS, ON_THEM)
    assert seen == {"n1": Amount(4000, 24, 500 << 20), "n2": Amount(5000, 5, 0)}
    ours.clear()
    assert others.see(OTHERS, ON_THEM)["n1"] == seen["n1"], "ours while Slurm has it, though nothing is known of it"
    nodes = without(commands.nodes_of(OTHERS, "p", partition="main"), seen, is_contested=True)
    assert [(n.gpu, n.num_gpus, n.others_gpus, n.others_cpus, n.others_memory_bytes) for n in nodes] == [
        ("a100", 8, 4, 24, 500 << 20),
        ("cpu", 8, 5, 5, 0),
    ]
    assert [node.is_contested for node in nodes] == [True, True]


def test_nodes_are_of_any_of_several_partitions_and_lack_the_memory_that_slurm_keeps() -> None:
    assert len(commands.nodes_of(OTHERS, "p", partition="none,main")) == 2
    assert not commands.nodes_of(OTHERS, "p", partition="none")
    kept = OTHERS.replace("RealMemory=1000", "RealMemory=1000 MemSpecLimit=100")
    assert [node.memory_bytes for node in commands.nodes_of(kept, "p", partition="")] == [900 << 20, 900 << 20]


@pytest.mark.parametrize(
    ("line", "waits"),
    [
        ("7|PENDING||Resources|main|(null)", True),
        ("7|PENDING||Priority|gpu,main|a|b", True),
        ("7|PENDING||Priority|main|drivetrain:job-9.0", True),  # of another server
        ("7|PENDING||Nodes required for job are DOWN, DRAINED or reserved|main|", True),
        ("7|PENDING||Resources|debug|(null)", True),  # which has n1 as well
        ("7|PENDING||Resources|main|drivetrain:job-1.0", False),
        ("7|PENDING||Dependency|main|(null)", False),
        ("7|PENDING||Resources|gpu|(null)", False),
        ("7|RUNNING|n1|None|main|(null)", False),
    ],
)
def test_nodes_are_contested_where_others_wait_for_any_of_them(line: str, waits: bool) -> None:
    nodes = OTHERS.replace("Partitions=main", "Partitions=main,debug", 1) + "NodeName=n3 Partitions=gpu\n"
    jobs = read_jobs(f"{line}\n")
    assert is_contested(jobs, nodes, "main", {"job-1.0"}.__contains__) is waits
    assert is_contested(jobs, nodes, "", {"job-1.0"}.__contains__) is (waits or "|gpu|" in line)


def test_a_site_that_shows_nobody_the_jobs_of_others_is_known_by_what_slurm_says_of_itself() -> None:
    assert hides_jobs("PriorityWeight = 1\nPrivateData             = accounts,jobs\n")
    assert not hides_jobs("PrivateData             = none\nPriorityWeight = 1\n")


def test_a_job_of_ours_that_begins_or_ends_between_two_questions_takes_nothing_from_others_nor_adds_to_them() -> None:
    free = (
        OTHERS.replace("CPUAlloc=40", "CPUAlloc=24").replace("a100:6", "a100:4").replace("AllocMem=600", "AllocMem=500")
    )
    without_it = ON_THEM[1:]
    begins, ends = Others(lambda _: True), Others(lambda _: True)
    looks = [(free, without_it), (free, ON_THEM), (OTHERS, ON_THEM), (OTHERS, ON_THEM)]
    assert {begins.see(nodes, jobs)["n1"].milli for nodes, jobs in looks} == {3000}
    looks = [(OTHERS, ON_THEM), (OTHERS, without_it), (free, without_it)]
    assert {ends.see(nodes, jobs)["n1"].milli for nodes, jobs in looks} == {3000}


def test_a_job_of_ours_that_slurm_does_not_get_to_its_end_has_what_nobody_can_give() -> None:
    others = Others(lambda _: True)
    seen = [others.see(OTHERS, ON_THEM)["n2"] for _ in range(3)]
    assert seen == [Amount(5000, 5, 0), Amount(5000, 5, 0), Amount(6000, 6, 0)]


def test_of_a_job_whose_comment_does_not_say_what_it_asked_for_all_is_ours() -> None:
    older = "7|RUNNING|n1|None|main|drivetrain:job-1.0\n"
    longer = "8|RUNNING|n2|None|main|drivetrain:job-2.0 milli=1000 cpus=1 memory=0 u=v\n"
    assert Others(lambda _: True).see(OTHERS, read_jobs(older + longer)) == {"n1": Amount(), "n2": Amount(5000, 5, 0)}


def test_how_slurm_ended_a_job_is_found_by_the_attempt_in_its_comment() -> None:
    said = "7|CANCELLED|None|n1||drivetrain:job-1.0 milli=1000 cpus=1.000 memory=0\n"
    assert endings.said_of(said, "job-1.0") == endings.SaidOfJob(7, "CANCELLED", "None", "n1", "")
    assert endings.said_of(said, "job-1.1") is None


@pytest.mark.parametrize(
    ("how", "share", "asks"),
    [
        (
            {"takes_gpus": True},
            Share("n1", ((0, 1000), (1, 1000)), cpus=15.5, memory_bytes=1),
            {"cpus-per-task=16", "mem=1M"},
        ),
        ({"takes_gpus": True, "leaves_cores": True}, Share("n1", ((0, 1000),), cpus=1), set()),
        ({}, Share("n1", ((0, 1000), (1, 500))), {"cpus-per-task=2"}),
    ],
)
def test_slurm_is_asked_for_the_cores_and_the_memory_that_a_job_has_of_a_node_and_told_them_again(
    how: dict[str, bool], share: Share, asks: set[str]
) -> None:
    request = replace(REQUEST, shares=(share,), **how)
    arguments = commands.batch_arguments(request, "", "/log")
    assert {each[2:] for each in arguments if each.startswith(("--cpus-per-task", "--mem"))} == asks
    comment = next(each for each in arguments if each.startswith("--comment")).partition("=")[2]
    assert (attempt_of(comment), amount_of(comment)) == ("job-1.0", asked_of(request))


def test_what_has_not_begun_is_gone_where_its_node_takes_no_new_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    states = ("RUNNING", "PENDING")

    def run(arguments: Sequence[str], *, text: str = "") -> str:
        assert not text
        jobs = (f"{number}|{state}|n1,n3|None|main|drivetrain:job-{number}.0\n" for number, state in enumerate(states))
        return said_by(arguments, "".join(jobs))

    monkeypatch.setattr(commands, "run", run)
    for number in range(len(states)):
        write_assignment(tmp_path / f"job-{number}.0", told(f"job-{number}.0", SHARES[0], Share("n3", ((0, 1000),))))
    with closing(SlurmEngine("slurm", partition="main", folder=tmp_path)) as engine:
        assert engine.living() == {"job-0.0": frozenset({0, 1}), "job-1.0": frozenset({0})}
        (tmp_path / "job-0.0" / "1.ended").touch()
        assert engine.living()["job-0.0"] == frozenset({0})


def test_what_has_not_begun_gets_no_signal_which_scancel_would_try_again_until_it_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cancelled: list[list[str]] = []

    def run(arguments: Sequence[str], *, text: str = "") -> str:
        assert not text
        if arguments[0] == "scancel":
            cancelled.append(list(arguments))
        return said_by(
            arguments, "7|PENDING||Resources|main|drivetrain:job-1.0\n8|PENDING||None|main|drivetrain:job-2.0\n"
        )

    monkeypatch.setattr(commands, "run", run)
    write_assignment(tmp_path / "job-1.0", told("job-1.0", SHARES[0]))
    with closing(SlurmEngine("slurm", partition="main", folder=tmp_path)) as engine:
        engine.leave("job-1.0")
        engine.kill("job-1.0")
        assert (engine.held_up("job-1.0"), engine.held_up("job-2.0")) == ("Slurm has not begun it: Resources", "")
    assert cancelled == [["scancel", "--state=PENDING", "7"], ["scancel", "7"]]


def test_an_sbatch_that_hangs_is_asked_once_and_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers, asked = threading.Event(), []

    def run(arguments: Sequence[str], *, text: str = "", env: object = None) -> str:
        if arguments[0] != "sbatch":
            return said_by(arguments, "")
        assert text
        assert env
        asked.append(arguments)
        answers.wait(60)
        return "a site's banner\n7;cluster\n"

    monkeypatch.setattr(commands, "run", run)
    requests = [replace(REQUEST, attempt=f"job-{number}.0", is_first=True) for number in range(2)]
    for request in requests:
        write_assignment(tmp_path / request.attempt, told(request.attempt, SHARES[0]))
    with closing(SlurmEngine("slurm", partition="main", folder=tmp_path)) as engine:
        for request in (*requests, *requests):
            with pytest.raises(StoreError, match="not answered yet"):
                engine.start(request)
        assert engine.living().keys() == {"job-0.0", "job-1.0"}
        answers.set()
        wait_for(lambda: not engine._errands.running, "sbatch to answer")
        for request in requests:
            engine.start(request)
        assert {engine.known_as(request.attempt) for request in requests} == {"Slurm job 7"}
        assert len(asked) == 2


def test_why_a_node_is_out_is_told_in_all_its_words() -> None:
    line = "NodeName=n1 State=IDLE+DRAIN CPUTot=2 CurrentWatts=0 AveWatts=0 Reason=a bad fan [root@2026-11-26T23:12:06]"
    [node] = commands.nodes_of(line, "slurm", partition="")
    assert (node.state, node.evidence) == ("draining", "a bad fan")


@pytest.mark.parametrize(
    ("state", "is_now", "is_asleep"),
    [
        ("IDLE+CLOUD+POWERED_DOWN", "up", True),
        ("IDLE+CLOUD+NOT_RESPONDING+POWERING_UP", "up", False),
        ("ALLOCATED+CLOUD+NOT_RESPONDING+POWERING_UP", "up", False),
        ("IDLE+CLOUD+POWERING_DOWN", "draining", False),
        ("MIXED+CLOUD+POWER_DOWN", "draining", False),
        ("DOWN+CLOUD+POWERED_DOWN", "down", False),
        ("IDLE+DRAIN+CLOUD+POWERED_DOWN", "draining", False),
        ("IDLE+CLOUD", "up", False),
        ("IDLE+NOT_RESPONDING", "down", False),
        ("IDLE*", "down", False),
    ],
)
def test_a_node_that_slurm_powers_up_for_jobs_takes_them_while_it_is_powered_down(
    state: str, is_now: str, is_asleep: bool
) -> None:
    [node] = commands.nodes_of(f"NodeName=n1 State={state} CPUTot=2 RealMemory=1", "slurm", partition="")
    assert (node.state, node.is_asleep) == (is_now, is_asleep)


def test_a_member_is_over_once_slurm_has_taken_its_node_from_the_job_though_the_node_is_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        commands, "run", lambda arguments: said_by(arguments, "7|RUNNING|n3|None|main|drivetrain:job-1.0\n")
    )
    write_assignment(tmp_path / "job-1.0", told("job-1.0", SHARES[0], Share("n3", ((0, 1000),))))
    with closing(SlurmEngine("slurm", partition="main", folder=tmp_path)) as engine:
        assert engine.nodes()[0].state == "up"
        assert engine.living() == {"job-1.0": frozenset({1})}


@pytest.mark.parametrize("state", ["RUNNING", "FAILED"])
def test_a_node_that_slurm_took_from_a_job_is_told_though_it_is_back_and_the_job_over(
    state: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = f"7|{state}|JobLaunchFailure|n1|n3|drivetrain:job-1.0\n"
    monkeypatch.setattr(commands, "run", lambda arguments: said_by(arguments, said))
    write_assignment(tmp_path / "job-1.0", told("job-1.0", SHARES[0], Share("n3", ((0, 1000),))))
    with closing(SlurmEngine("slurm", partition="main", folder=tmp_path)) as engine:
        ending = engine.ending("job-1.0")
    assert ending is not None
    assert (ending.why, ending.nodes) == (Why.LOST, ("n1",))


@pytest.mark.parametrize(
    ("said", "over"),
    [
        ("", {}),
        ("srun: error: Node failure on n2\n", {}),
        ("srun: error: n2: task 1: Killed\n", {1}),
        ("Killed\nsrun: error: n[1-2]: tasks 0-1: Exited with exit code 1\n", {0, 1}),
        ("srun: error: n[1,4]: tasks 0,4-5: Out Of Memory\nsrun: error: n9: task 11: Terminated\n", {0, 4, 5, 11}),
    ],
)
def test_what_srun_says_of_its_tasks_tells_whose_wrapper_is_gone(said: str, over: set[int]) -> None:
    assert endings.over_by_srun(said) == frozenset(over)


def test_whose_wrapper_was_killed_is_over_unless_its_agent_still_has_its_claim(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        commands, "run", lambda arguments: said_by(arguments, "7|RUNNING|n1,n3|None|main|drivetrain:job-1.0\n")
    )
    folder = tmp_path / "job-1.0"
    write_assignment(folder, told("job-1.0", SHARES[0], Share("n3", ((0, 1000),))))
    (folder / "slurm.log").write_text("srun: error: n[1,3]: tasks 0-1: Killed\n")
    lives = "import sys; from pathlib import Path; from drivetrain.compute.agent.claim import claim, claim_file;"
    lives += " assert claim(claim_file(Path(sys.argv[1]), 1)); print(flush=True); input()"
    with (
        closing(SlurmEngine("slurm", partition="main", folder=tmp_path)) as engine,
        subprocess.Popen([sys.executable, "-c", lives, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as agent,
    ):
        assert agent.stdout is not None
        assert agent.stdout.readline()
        assert engine.living() == {"job-1.0": frozenset({1})}
        agent.communicate(b"\n")
        assert engine.living() == {"job-1.0": frozenset()}


def said_by(arguments: Sequence[str], jobs: str) -> str:
    """What Slurm's commands print where these are its jobs."""
    if arguments[:3] == ["scontrol", "show", "hostnames"]:
        return arguments[3].replace(",", "\n")
    return NODES if arguments[0] == "scontrol" else jobs


def told(attempt: str, *shares: Share) -> Assignment:
    told = {"job": "job-1", "run": "run-1", "pool": "slurm", "name": "", "server": "", "token": "", "home": "/home"}
    return Assignment(
        attempt=attempt, nodes=tuple(share.node for share in shares), least_nodes=2, ranks=1, command=("true",), **told
    )


@pytest.mark.parametrize(("said", "is_for_good"), REFUSALS)
def test_what_slurm_refuses_for_good_is_told_from_what_may_pass(
    said: str, is_for_good: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(arguments: Sequence[str], **settings: object) -> str:
        raise StoreError(said)

    monkeypatch.setattr(commands, "run", run)
    with pytest.raises(StoreError) as refused:
        commands.submit(["sbatch"], REQUEST)
    assert isinstance(refused.value, CannotStartError) == is_for_good


def test_a_batch_job_sees_no_variable_of_the_server_that_was_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str] = {}
    monkeypatch.setattr(commands, "run", lambda arguments, *, text, env: seen.update(env) or "7")
    for name in ("DATABASE", "PGPASSWORD", "DRIVETRAIN_TOKEN", "TOLD", "SLURM_CONF"):
        monkeypatch.setenv(name, "value")
    commands.submit(["sbatch"], replace(REQUEST, secrets=("TOLD",)))
    assert {"PATH", "TOLD", "SLURM_CONF", "DRIVETRAIN_HOME"} <= seen.keys()
    assert not {"DATABASE", "PGPASSWORD", "DRIVETRAIN_TOKEN"} & seen.keys()


@pytest.mark.parametrize(
    ("state", "why", "nodes"),
    [
        ("CANCELLED", Why.STOPPED, ()),
        ("PREEMPTED", Why.PREEMPTED, ()),
        ("TIMEOUT", Why.OVER_TIME, ()),
        ("NODE_FAIL", Why.LOST, ("n1",)),
        ("FAILED", None, ()),
        ("RUNNING", None, ()),
    ],
)
def test_what_slurm_did_by_itself_is_told_from_what_became_of_the_job(
    state: str, why: Why | None, nodes: tuple[str, ...]
) -> None:
    others = "8|CANCELLED|None|n3|n3|drivetrain:job-1.10\n9|CANCELLED|None|n3|n3|\n"
    said = endings.said_of(f"{others}7|{state}|None|n1|n[1-2]|drivetrain:job-1.1\n", "job-1.1")
    assert said is not None
    ending = endings.ending_of(said, {})
    assert (ending and ending.why, ending.nodes if ending else ()) == (why, nodes)
    assert endings.said_of(others, "job-1.1") is None, "Slurm has forgotten it"


def test_a_node_that_is_gone_is_named_whatever_slurm_calls_the_end_and_what_is_not_over_is_not_told() -> None:
    for state in ("FAILED", "RUNNING", "COMPLETING"):
        said = endings.SaidOfJob(7, state, "JobLaunchFailure", "n1", "n2")
        ending = endings.ending_of(said, {"n1": "a fan"})
        assert ending is not None
        assert (ending.why, ending.words) == (Why.LOST, "node n1 was taken down by Slurm (a fan)")
    with pytest.raises(StoreError):
        endings.ending_of(said, {})
