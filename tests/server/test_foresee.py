"""How long a job will wait, and what more devices would change, from what a server's database knows."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine
from tests.server.conftest import submit
from tests.server.known import NODES, NOW_S, job, known, runs
from tests.server_process import ServerProcess, wait_for_state

from drivetrain.cli.describe import command as describe
from drivetrain.cli.whatif import command as whatif
from drivetrain.compute.controller.states import AttemptState, JobRecord, JobState
from drivetrain.compute.job import Job
from drivetrain.compute.policy.values import Budget, Pool
from drivetrain.core.errors import StoreError, UsageError
from drivetrain.server.database import Records
from drivetrain.server.foresee import Foresight
from drivetrain.server.foresee.answers import WaitAnswer, WhatIfAnswer
from drivetrain.server.foresee.child import answer
from drivetrain.server.foresee.question import Question
from drivetrain.server.services import estimates
from drivetrain.server.services.estimates import Told

PAST = [job(at, JobState.SUCCEEDED, ran_s=1000.0 + 10 * at) for at in range(50)]
RUNNING = [job(100 + at, JobState.RUNNING) for at in range(2)]
ATTEMPTS = [runs(record, f"n{at}", since_s=900.0 - 400 * at) for at, record in enumerate(RUNNING)]
WAITING = [job(200 + at) for at in range(4)]


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Engine]:
    """Two nodes, both taken; four jobs wait, and fifty have ended."""
    database = known(tmp_path, [*PAST, *RUNNING, *WAITING], ATTEMPTS)
    yield database
    database.dispose()


def asked(database: Engine, name: str, *, budget_s: float = 30.0) -> WaitAnswer:
    url = database.url.render_as_string(hide_password=False)
    found = answer(Question(database=url, now_s=NOW_S, budget_s=budget_s, job=name), database)
    assert isinstance(found, WaitAnswer)
    return found


def what_if(database: Engine, *add: str, budget_s: float = 30.0, over_s: float = 7200.0) -> WhatIfAnswer:
    url = database.url.render_as_string(hide_password=False)
    found = answer(Question(database=url, now_s=NOW_S, budget_s=budget_s, add=add, over_s=over_s), database)
    assert isinstance(found, WhatIfAnswer)
    return found


def middle_s(found: WaitAnswer) -> float:
    assert found.p10_s is not None
    assert found.p50_s is not None
    assert found.p90_s is not None
    assert 0 <= found.p10_s <= found.p50_s <= found.p90_s
    return found.p50_s


def test_each_job_in_line_is_told_when_it_should_start_and_those_behind_later(full: Engine) -> None:
    found = [asked(full, record.id) for record in WAITING]
    assert [one.position for one in found] == [1, 2, 3, 4]
    middles = [middle_s(one) for one in found]
    assert 0 < middles[0] < 600
    assert middles[0] < middles[1] < middles[2] < middles[3]
    assert found[0].reason == "needs 1 free 8-GPU node (0 in pool p now); first in line"
    assert found[3].reason.endswith("; 4th in line")
    assert found[0].text.startswith(found[0].reason + "; expected start ")
    assert "8 times of 10 between" in found[0].text


def test_the_same_question_at_the_same_time_has_the_same_answer(full: Engine) -> None:
    assert asked(full, WAITING[2].id) == asked(full, WAITING[2].id)


def test_before_anything_has_ended_an_estimate_is_wide_and_says_why(tmp_path: Path) -> None:
    database = known(tmp_path, [*RUNNING, *WAITING], ATTEMPTS)
    found = asked(database, WAITING[0].id)
    database.dispose()
    assert middle_s(found) > 0
    assert (found.p10_s or 0) * 3 < (found.p90_s or 0)
    assert found.num_runs == 0
    assert found.text.endswith(f"; learned from 0 runs like {RUNNING[0].id}: wide")


def test_what_cannot_be_played_in_the_time_there_is_goes_by_the_rate_of_the_line(full: Engine) -> None:
    played, found = asked(full, WAITING[3].id), asked(full, WAITING[3].id, budget_s=-1.0)
    assert (played.is_coarse, found.is_coarse, found.num_plays) == (False, True, 0)
    assert found.reason.endswith("4th in line")
    assert middle_s(found) == pytest.approx(middle_s(played), rel=0.7)
    assert found.text.endswith("; coarsely, by how fast the line moves")


def test_a_job_whose_team_has_spent_its_budget_should_start_when_that_begins_anew(tmp_path: Path) -> None:
    database = known(tmp_path, [*PAST, *RUNNING, *WAITING], ATTEMPTS)
    with database.begin() as connection:
        records = Records(connection)
        records.set_setting("pool", "p", Pool("p", price_per_gpu_h=1_000_000))
        records.set_setting("budget", "maps", Budget("maps", 1_000_000))
    found = asked(database, WAITING[0].id)
    database.dispose()
    december_s = datetime(2026, 12, 1, tzinfo=UTC).timestamp() - NOW_S
    assert december_s <= (found.p10_s or 0)
    assert december_s <= middle_s(found) < december_s + 3600
    assert "or the next month begins, 2026-12-01 by UTC; expected start 2026-12-01 00:" in found.text


def test_an_estimate_whose_time_has_passed_says_so_and_whose_run_is_longer_than_it_should(tmp_path: Path) -> None:
    longer = [replace(ATTEMPTS[0], placed_s=NOW_S - 9000, started_s=NOW_S - 9000), ATTEMPTS[1]]
    database = known(tmp_path, [*PAST, *RUNNING, *WAITING], longer)
    told = Told(f"{WAITING[0].id}.0", NOW_S - 600, 100.0, 400.0, 50.0, 200.0, 420.0)
    with database.begin() as connection:
        estimates.keep(connection, told)
    late, other = asked(database, WAITING[0].id), asked(database, WAITING[1].id)
    database.dispose()
    assert (late.late_s, other.late_s) == (180.0, 0.0)
    assert f" UTC; late by 3 m 00 s: {RUNNING[0].id} runs longer than 9 of 10 like it; expected start " in late.text
    assert "late" not in other.text
    assert middle_s(late) > 0


def test_a_job_that_is_tried_again_later_is_told_when_and_has_an_estimate(full: Engine) -> None:
    again = replace(job(300), eligible_s=NOW_S + 20, num_attempts=1, reason="failed once")
    with full.begin() as connection:
        Records(connection).add_job(again)
    found = asked(full, again.id)
    assert found.reason == "tried again in 20 s"
    assert found.attempt == f"{again.id}.1"
    assert middle_s(found) >= 20


def test_an_array_that_has_no_worker_in_line_says_what_is_known_of_it(full: Engine) -> None:
    asks = Job(command=("true",), gpus=8, array="0-9")
    array = JobRecord(id="job-array", job=asks, user="ana", team="maps", run="r", submitted_s=NOW_S, reason="has begun")
    with full.begin() as connection:
        Records(connection).add_job(array)
    assert asked(full, array.id).text == "has begun; no estimate: none of its workers waits at this moment"
    assert asked(full, PAST[0].id).text == "no estimate: it has just left the line"


def test_a_long_queue_keeps_neither_its_front_nor_its_middle_from_an_estimate(tmp_path: Path) -> None:
    many = [job(1000 + at) for at in range(80)]
    database = known(tmp_path, [*PAST, *RUNNING, *many], ATTEMPTS)
    first, later = (asked(database, many[at].id, budget_s=120.0) for at in (0, 60))
    database.dispose()
    assert 0 < middle_s(first) < 600
    assert middle_s(later) == pytest.approx(60 * 1245 / 2, rel=0.2)
    assert (first.num_plays, later.num_plays) == (10, 10)


def test_what_would_start_at_this_moment_is_expected_now(tmp_path: Path) -> None:
    database = known(tmp_path, [*PAST, RUNNING[0], WAITING[0]], ATTEMPTS[:1])
    found = asked(database, WAITING[0].id)
    database.dispose()
    assert middle_s(found) == 0
    assert found.text.endswith("; expected start now")


def test_what_waits_for_a_node_that_takes_no_work_has_no_date(tmp_path: Path) -> None:
    gang = job(300, nodes=2)
    database = known(tmp_path, [*PAST, gang])
    with database.begin() as connection:
        Records(connection).set_setting("node", NODES[1].name, replace(NODES[1], state="draining"))
    found = asked(database, gang.id)
    database.dispose()
    assert found.p50_s is None
    assert found.text.endswith("no estimate: it starts in most plays not within 14 days")


def test_what_waits_for_devices_that_others_have_says_so(tmp_path: Path) -> None:
    gang = job(300, nodes=2)
    database = known(tmp_path, [*PAST, gang])
    with database.begin() as connection:
        Records(connection).set_setting("node", NODES[1].name, replace(NODES[1], others_gpus=3))
    found = asked(database, gang.id)
    database.dispose()
    assert found.text.endswith("not within 14 days while others keep 3 devices, until when is not known here")


def test_an_array_waits_as_its_first_worker_does(full: Engine) -> None:
    array = JobRecord(
        id="job-array",
        job=Job(command=("true",), gpus=8, array="0-9"),
        user="ana",
        team="maps",
        run="r",
        submitted_s=NOW_S,
    )
    workers = [
        replace(array, id=f"{array.id}-{at}", job=replace(array.job, array=""), parent=array.id) for at in range(2)
    ]
    with full.begin() as connection:
        Records(connection).add_jobs([array, *workers])
    found = asked(full, array.id)
    assert (found.job, found.attempt, found.position) == ("job-array-0", "job-array-0.0", 5)


def test_estimates_are_kept_and_corrected_by_how_true_they_came(full: Engine) -> None:
    before = asked(full, WAITING[1].id)
    with full.begin() as connection:
        for number in range(60):  # all started in half of the time that was the least
            late = job(500 + number, JobState.SUCCEEDED)
            began = replace(runs(late, "n0", since_s=5000.0), state=AttemptState.ENDED, ended_s=NOW_S - 4000)
            Records(connection).add_job(late)
            Records(connection).add_attempts([began])
            for wait_s in (50.0, 1.0):  # the second is asked later, and does not count
                estimates.keep(connection, Told(began.id, began.placed_s - wait_s, 100.0, 200.0))
        estimates.keep(connection, Told("job-not-begun.0", NOW_S, 1.0, 2.0))
    after = asked(full, WAITING[1].id)
    assert (before.low_s, before.p10_s) == pytest.approx((after.low_s, before.low_s))
    assert after.p10_s is not None
    assert before.p10_s is not None
    assert 0.7 < after.p10_s / before.p10_s < 0.85  # sixty are believed as far as 3 of 8


def test_what_still_waits_past_what_was_told_counts_against_it_and_what_was_withdrawn_does_not(full: Engine) -> None:
    before = asked(full, WAITING[1].id)
    gone = job(300, JobState.FAILED)
    with full.begin() as connection:
        Records(connection).add_job(gone)
        estimates.keep(connection, Told(f"{gone.id}.0", NOW_S - 600, 100.0, 400.0, 50.0, 200.0, 420.0))
    withdrawn = asked(full, WAITING[1].id)
    with full.begin() as connection:
        estimates.keep(connection, Told(f"{WAITING[0].id}.0", NOW_S - 600, 100.0, 400.0, 50.0, 200.0, 420.0))
    overdue = asked(full, WAITING[1].id)
    assert before.p90_s is not None
    assert withdrawn.p90_s is not None
    assert overdue.p90_s is not None
    assert before.p90_s == withdrawn.p90_s < overdue.p90_s < 1.2 * before.p90_s


def test_more_devices_are_played_from_what_is_there_now(full: Engine) -> None:
    found = what_if(full, "h100:16")
    assert (found.now.num_gpus, found.then.num_gpus) == (16, 32)
    assert found.then.mean_wait_s < found.now.mean_wait_s
    assert found.then.num_started >= found.now.num_started


def test_devices_of_a_kind_that_is_not_there_are_refused_with_the_nearest(full: Engine) -> None:
    with pytest.raises(UsageError, match="no node with GPUs of kind 'H10'") as raised:
        what_if(full, "H10:8")
    assert raised.value.hint == "did you mean H100?"
    with pytest.raises(UsageError, match="too much to play forward"):
        what_if(full, "H100:8", budget_s=-1.0)


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--add h100:16"], "no server is running here"), (["--add", "h100:16", "--over", "1y"], "--over"),
     (["--add", "h100:16", "--over", "30d"], "expected from 1m to 14d")],
)  # fmt: skip
def test_a_question_that_cannot_be_asked_says_why(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        CliRunner().invoke(whatif, words, standalone_mode=False, catch_exceptions=False)


def test_plays_run_in_a_process_apart_that_is_asked_once_for_the_same(full: Engine) -> None:
    foresight = Foresight(full)
    try:
        found = foresight.wait(WAITING[1].id, NOW_S)
        assert found["p50_s"] == asked(full, WAITING[1].id).p50_s
        assert foresight.wait(WAITING[1].id, NOW_S + 1) is found
        foresight.end()
        assert foresight.wait(WAITING[2].id, NOW_S)["position"] == 3
        with pytest.raises(UsageError, match="no node with GPUs of kind"):
            foresight.what_if(("H10:8",), 3600.0, NOW_S)
    finally:
        foresight.close()
    with pytest.raises(StoreError, match="has ended"):
        foresight.wait(WAITING[3].id, NOW_S)


def test_a_server_tells_what_a_waiting_job_waits_for_and_how_long(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = server.client()
    monkeypatch.setenv("DRIVETRAIN_SERVER", server.url)
    monkeypatch.setenv("DRIVETRAIN_TOKEN", server.token)
    wait_for_state(client, submit(client, "true"), "succeeded")
    all_cores = len(os.sched_getaffinity(0))
    taken = submit(client, "sleep", "600", cpus=all_cores, nodes=4)
    wait_for_state(client, taken, "running")
    waits = submit(client, "true")
    try:
        told = json.loads(CliRunner().invoke(describe, [waits, "--json"]).stdout)["estimate"]
        assert told["position"] == 1
        assert told["p10_s"] <= told["p50_s"] <= told["p90_s"]
        shown = CliRunner().invoke(describe, [waits]).stdout
        assert f"  reason     {told['text']}\n" in shown
        assert "first in line; expected start " in shown
        table = CliRunner().invoke(whatif, ["--add cpu:64", "--over", "10m"])
        assert [line.split()[0] for line in table.stdout.splitlines()] == ["over", "as", "with"]
        assert "estimate" not in json.loads(CliRunner().invoke(describe, [taken, "--json"]).stdout)
        with pytest.raises(UsageError, match="it is running"):
            client.ask("GET", f"/api/jobs/{taken}/estimate")
    finally:
        for each in (waits, taken):
            client.stop(each)
            wait_for_state(client, each, "stopped")
