"""What a server wrote down is played again: its decisions are made again, and another policy may have its jobs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.server.conftest import submit
from tests.server.known import NODES, NOW_S
from tests.server_process import ServerProcess, wait_for_state

from drivetrain.cli.jobs import command as list_jobs
from drivetrain.cli.simulate import command as simulate
from drivetrain.compute.engines.fake import FakeEngine
from drivetrain.compute.job import Job
from drivetrain.compute.policy.plan import plan
from drivetrain.compute.policy.values import Decision, Pool, Quota, Snapshot, Start
from drivetrain.compute.simulate.fifo import fifo
from drivetrain.compute.simulate.history import HEAD, Event, arrivals_of, read_history, site_of
from drivetrain.compute.simulate.play import Play
from drivetrain.compute.simulate.replay import replay
from drivetrain.core.errors import DataError
from drivetrain.server.asking import Asking
from drivetrain.server.database import Records, open_database, reading
from drivetrain.server.services import agents, history, jobs
from drivetrain.server.services.people import Person, Role
from drivetrain.server.steady import SteadyClock
from drivetrain.server.worker import Worker

WHO = Person("ana", Role.OPERATOR, ("maps", "planning"))


class Shift:
    """A controller on a set clock and an engine without machines: two nodes of 8."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now_s, self.engine = folder, NOW_S, FakeEngine(NODES)
        self.database = open_database(f"sqlite:///{folder}/known.sqlite")
        with self.database.begin() as connection:
            Records(connection).set_setting("pool", "p", Pool("p"))
        asking = Asking(folder, "http://127.0.0.1:1", b"key")
        clock = SteadyClock(lambda: self.now_s, lambda: self.now_s)
        self.worker = Worker(self.database, {"p": self.engine}, plan, asking, folder, clock=clock)

    def close(self) -> None:
        self.worker.stop()
        self.database.dispose()

    def submit(self, name: str, *, team: str = "maps", gpus: int = 8, **asked: object) -> str:
        job = Job(command=("true",), name=name, team=team, gpus=gpus, cpus=1, **asked)  # type: ignore[arg-type]
        with self.database.begin() as connection:
            found = jobs.submit(connection, WHO, job, snapshot="", folder="/", key="", now_s=self.now_s)
        return found.id

    def set_quota(self, team: str, gpus: int) -> None:
        with self.database.begin() as connection:
            Records(connection).set_setting("quota", team, Quota(team, "all", nominal_milli=1000 * gpus))
            Records(connection).tell("settings", "quota", None)

    def after(self, seconds: float, *ends: str) -> None:
        """Time passes, these jobs' agents end, and the controller works until nothing is left to do."""
        self.now_s += seconds
        with self.database.begin() as connection:
            for attempt in Records(connection).living_attempts():
                for member, _ in enumerate(attempt.shares):
                    if attempt.job in ends:
                        agents.exited(connection, attempt, member, 0, "", begun_s=attempt.placed_s, over_s=self.now_s)
                        self.engine.end(attempt.id, member)
                    else:
                        agents.alive(connection, attempt, 1, 1, begun_s=self.now_s)
        for _ in range(4):
            self.worker.turn()
            self.now_s += 0.5

    def history(self) -> Path:
        path = self.folder / "history.jsonl"
        with reading(self.database) as connection:
            lines = history.lines(connection, after=0, limit=5000)
        path.write_bytes(HEAD.encode() + b"\n" + b"".join(lines))
        return path


@pytest.fixture
def shift(tmp_path: Path, own_home: Path) -> Iterator[Shift]:
    made = Shift(tmp_path)
    yield made
    made.close()


@pytest.fixture
def day(shift: Shift) -> Shift:
    """Jobs that borrow, are asked to leave, end and are refused; the controller begins anew in between."""
    old = [shift.submit(f"old{at}", preemptible=True, grace="5s") for at in range(2)]
    waits = shift.submit("waits", gpus=4)
    shift.after(10.0)
    shift.after(60.0)
    urgent = shift.submit("urgent", team="planning", priority="urgent", nodes=2)
    shift.submit("never", gpus=64)
    shift.after(60.0)
    shift.after(1.0, *old)
    shift.set_quota("maps", 8)
    shift.set_quota("planning", 8)
    shift.after(30.0)
    shift.worker.begin_anew()
    shift.after(60.0, urgent)
    small = [shift.submit(f"small{at}", team="planning", gpus=2 + at) for at in range(3)]
    shift.after(20.0, waits)
    for job in (*old, *small):
        shift.after(30.0, job)
    return shift


def test_history_played_again_makes_the_same_decisions(day: Shift) -> None:
    found = replay(read_history(day.history()))
    assert found.differences == ()
    kinds = [type(decision).__name__ for decision in found.decisions]
    assert {"Start", "Preempt", "Refuse"} <= set(kinds)
    assert found.num_plans == 5
    assert all(decision.reason for decision in found.decisions if isinstance(decision, Start))


def test_another_policy_is_told_apart_by_what_it_would_have_decided(day: Shift) -> None:
    assert replay(read_history(day.history()), fifo).differences


def test_a_replay_from_the_command_line_says_so(day: Shift) -> None:
    shown = simulated(day.history(), "--replay")
    assert shown.exit_code == 0
    assert shown.stdout.endswith("decisions: all as they were made\n")
    altered = day.folder / "altered.jsonl"
    lines = day.history().read_text().splitlines()
    number = next(at for at, line in enumerate(lines) if '"kind":"plan"' in line)
    lines[number] = lines[number].replace("n0 of pool p", "n9 of pool p")
    altered.write_text("\n".join(lines))
    told = simulated(altered, "--replay")
    assert told.exit_code == 1
    assert "1 plan would be another now\nat " in told.stdout
    assert "  then  Start(" in told.stdout
    (difference,) = json.loads(simulated(altered, "--replay", "--json").stdout)["differences"]
    assert "n9 of pool p" in str(difference["then"])


def test_our_own_jobs_are_played_by_another_policy_on_the_fleet_that_was_there(day: Shift) -> None:
    arrivals = arrivals_of(read_history(day.history()))
    assert [arrival.job.name for arrival in arrivals][:3] == ["old0", "old1", "waits"]
    assert arrivals[0].job.submitted_s == 0
    assert all(arrival.run_s > 0 for arrival in arrivals)
    told = json.loads(simulated(day.history(), "--policy", "plan", "--policy", "fifo", "--json").stdout)
    assert [sum(one["num_jobs"].values()) for one in told["policies"]] == [len(arrivals)] * 2
    more = json.loads(simulated(day.history(), "--nodes", "4", "--json").stdout)
    assert more["waited"]["all"]["mean_s"] < told["policies"][0]["waited"]["all"]["mean_s"]


def test_what_is_no_history_or_damaged_says_where(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    for text, message in (
        ("", "history.jsonl:1: no history, expected one of version 1"),
        (HEAD.replace("1", "99") + "\n", "history.jsonl:1: a history of version 99, expected one of version 1"),
        (HEAD + '\n{"seq":1,"at_ns":1,"kind":"node"}\n{"seq":2,', "history.jsonl:3: "),
        (HEAD + '\n{"seq":1,"at_ns":"soon","kind":"node"}', "history.jsonl:2: "),
        (HEAD + '\n{"seq":1,"at_ns":1,"kind":"\udcff"}', "history.jsonl:2: "),
    ):
        path.write_bytes(text.encode(errors="surrogateescape"))
        with pytest.raises(DataError, match=message):
            read_history(path)
    path.write_text(HEAD.replace("1", "99"))
    with pytest.raises(DataError, match="a history of version 99"):
        CliRunner().invoke(simulate, [str(path), "--nodes", "2"], standalone_mode=False, catch_exceptions=False)
    path.write_text(HEAD + "\n")
    with pytest.raises(DataError, match="no node is in this history"):
        site_of(read_history(path))
    with pytest.raises(DataError, match="no job in it ran to an end"):
        CliRunner().invoke(simulate, [str(path), "--nodes", "2"], standalone_mode=False, catch_exceptions=False)


def simulated(path: Path, *more: str) -> Result:
    return CliRunner().invoke(simulate, [str(path), *more])


@pytest.mark.slow
def test_a_live_run_is_played_again_to_the_same_decisions(
    make_server: Callable[..., ServerProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gangs, small jobs, one that takes another's place, an array, a refusal and a kill -9, on real processes."""
    server = make_server()
    client, cores = server.client(), len(os.sched_getaffinity(0))
    gangs = [submit(client, "sleep", f"{0.6 + at / 2}", nodes=2, cpus=cores, name="gang") for at in range(3)]
    small = [submit(client, "sleep", f"{0.5 + at / 4}", name="small") for at in range(4)]
    for job in (*gangs, *small):
        wait_for_state(client, job, "succeeded")
    calm = written(server, tmp_path / "calm.jsonl", monkeypatch)
    assert starts(replay(calm).decisions) == played(calm)
    assert {*gangs, *small} == {start.job for start in played(calm)}

    wide = submit(client, "sleep", "600", nodes=4, cpus=cores, preemptible=True, grace="1s", name="wide")
    wait_for_state(client, wide, "running")
    never = submit(client, "true", cpus=10**6)
    wait_for_state(client, never, "refused")
    server.kill()
    client = server.start().client()
    array = submit(client, "true", array="0-9", nodes="1:2")
    client.stop(wide)
    urgent = submit(client, "true", nodes=2, cpus=cores, priority="urgent")
    for job in (urgent, array):
        wait_for_state(client, job, "succeeded")
    events = written(server, tmp_path / "all.jsonl", monkeypatch)
    found = replay(events)
    assert found.differences == ()
    assert {type(decision).__name__ for decision in found.decisions} == {"Start", "Refuse"}
    assert {wide, urgent} <= {start.job for start in starts(found.decisions)}
    assert simulated(tmp_path / "all.jsonl", "--replay").exit_code == 0


def written(server: ServerProcess, path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """The history of a server, as people get it."""
    monkeypatch.setenv("DRIVETRAIN_SERVER", server.url)
    monkeypatch.setenv("DRIVETRAIN_TOKEN", server.token)
    path.write_text(CliRunner().invoke(list_jobs, ["--history"]).stdout, encoding="utf-8")
    return read_history(path)


def starts(decisions: Iterable[Decision]) -> list[Start]:
    """Who starts where and why, in order."""
    return [decision for decision in decisions if isinstance(decision, Start)]


def played(events: list[Event]) -> list[Start]:
    """The same in the simulator, which knows of the past when jobs came and how long they ran."""
    made: list[Decision] = []

    def policy(snapshot: Snapshot, now_s: float) -> list[Decision]:
        decisions = plan(snapshot, now_s)
        made.extend(decisions)
        return decisions

    play = Play(site_of(events), policy=policy)
    play.arrive(arrivals_of(events))
    play.run()
    return starts(made)
