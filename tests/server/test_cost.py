"""`drivetrain cost --where`: what is asked about is there, or it is said that it is not; and budgets near their end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.server.conftest import somebody, submit
from tests.server_process import ServerProcess, wait_for_state

from drivetrain.cli.group import drivetrain
from drivetrain.core.errors import UsageError


@pytest.fixture(autouse=True)
def ours(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIVETRAIN_SERVER", server.url)
    monkeypatch.setenv("DRIVETRAIN_TOKEN", server.token)


def cost(*words: str) -> Result:
    return CliRunner().invoke(drivetrain, ["cost", *words])


def told(*words: str) -> dict[str, Any]:
    result = cost(*words, "--json")
    assert result.exception is None
    return json.loads(result.stdout)  # type: ignore[no-any-return]


@pytest.mark.parametrize("options", [(), ("--json",)])
@pytest.mark.parametrize("what", ["pool", "team", "user", "job"])
def test_a_name_that_nothing_has_is_refused(what: str, options: tuple[str, ...]) -> None:
    error = cost("--where", f"{what}=unheard-of", *options).exception
    assert isinstance(error, UsageError)
    assert f"there is no {what} " in error.message
    assert "unheard-of" in error.message


def test_a_choice_without_a_name_is_refused() -> None:
    error = cost("--where", "team").exception
    assert isinstance(error, UsageError)
    assert error.message == "'team' chooses nothing"


def test_a_column_that_is_asked_for_twice_is_there_once() -> None:
    assert told("--by", "pool,pool")["by"] == ["pool"]


def test_the_nearest_name_is_named() -> None:
    error = cost("--where", "pool=locl").exception
    assert isinstance(error, UsageError)
    assert error.hint == "did you mean local?"


def test_somebody_who_had_nothing_in_the_window_has_nothing(server: ServerProcess) -> None:
    name, _ = somebody(server, "member", ("had-nothing",))
    server.client().ask("PUT", "/api/settings/budget/only-a-budget", {"team": "only-a-budget", "limit": 1})
    for where in (f"user={name}", "team=had-nothing", "team=only-a-budget"):
        assert told("--where", where)["rows"] == []
    job = submit(server.client(), "true", team="had-one")
    wait_for_state(server.client(), job, "succeeded")
    assert told("--where", "team=had-one", "--since", "0s")["rows"] == []
    server.client().ask("DELETE", "/api/settings/budget/only-a-budget")


def test_an_array_costs_what_its_workers_do_and_the_beginning_of_an_id_will_do(server: ServerProcess) -> None:
    client = server.client()
    array = submit(client, "true", array="0-3", nodes="1:2")
    wait_for_state(client, array, "succeeded")
    found = told("--by", "job", "--where", f"job={array[:-2]}")
    assert found["num_attempts"] >= 1
    assert {row["job"].rpartition("-")[0] for row in found["rows"]} == {array}
    assert sum(found["leaves_device_ms"].values()) > 0
    other = submit(client, "true")
    wait_for_state(client, other, "succeeded")
    both = told("--by", "job", "--where", f"job={array}", "--where", f"job={other}")
    error = cost("--where", "pool=local", "--where", "pool=locl").exception
    assert isinstance(error, UsageError), "which of several is none is not passed over"
    assert {row["job"] for row in both["rows"]} == {other, *(row["job"] for row in found["rows"])}


def test_whose_budget_comes_to_its_end_is_warned_where_they_look(server: ServerProcess) -> None:
    client, limit = server.client(), 1_000_000
    for team, spent in (("near", 900_000), ("far", 0), ("past", limit)):
        client.ask("PUT", f"/api/settings/budget/{team}", {"team": team, "limit": limit, "spent": spent})
    listed = CliRunner().invoke(drivetrain, ["budget"]).stdout
    states = {row.split()[0]: row.split()[-1] for row in listed.splitlines()}
    assert {team: states[team] for team in ("near", "far", "past")} == {"near": "warned", "far": "–", "past": "spent"}
    jobs = {team: submit(client, "sleep", "600", team=team) for team in ("near", "far")}
    shown = {team: CliRunner().invoke(drivetrain, ["describe", job]).stdout for team, job in jobs.items()}
    assert "  budget     0.90 of 1.00 spent this month, 90 %; at the end its paid jobs save and wait\n" in shown["near"]
    assert "budget" not in shown["far"]
    for job in jobs.values():
        client.stop(job)
    for team in ("near", "far", "past"):
        client.ask("DELETE", f"/api/settings/budget/{team}")
