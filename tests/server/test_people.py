"""`drivetrain users` and `drivetrain server --token`: who may do what, and what an operator sees and changes of it."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from click.testing import CliRunner
from tests.server.conftest import somebody
from tests.server_process import ServerProcess, wait_for

from drivetrain.cli.group import drivetrain
from drivetrain.core.errors import UsageError


@pytest.fixture(autouse=True)
def as_operator(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIVETRAIN_SERVER", server.url)
    monkeypatch.setenv("DRIVETRAIN_TOKEN", server.token)


def said(*words: str) -> str:
    result = CliRunner().invoke(drivetrain, list(words), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def user(name: str) -> dict[str, Any]:
    return next(found for found in json.loads(said("users", "--json")) if found["name"] == name)


def test_a_new_token_leaves_role_and_teams_as_they_are(server: ServerProcess) -> None:
    name, _ = somebody(server, "operator", ("planning", "maps"))
    token = said("server", "--token", name).strip()
    assert server.client(token).ask("GET", "/api/me") == {
        "name": name,
        "role": "operator",
        "teams": ["planning", "maps"],
    }
    said("server", "--token", name, "--teams", "maps")
    said("users", "--set", name, "--role", "viewer")
    assert {key: user(name)[key] for key in ("role", "teams")} == {"role": "viewer", "teams": ["maps"]}
    assert len(user(name)["tokens"]) == 3


def test_tokens_that_are_taken_back_are_good_no_more(server: ServerProcess) -> None:
    name, client = somebody(server, "member")
    assert client.ask("GET", "/api/me")["name"] == name
    said("users", "--revoke", name)

    def is_refused() -> bool:
        try:
            client.ask("GET", "/api/me")
        except UsageError as exc:
            return "not known" in exc.message
        return False

    wait_for(is_refused, "the token to be refused")
    assert user(name)["tokens"] == []


def test_only_operators_see_users_and_only_their_own_tokens_are_taken_back_by_others(server: ServerProcess) -> None:
    (_, member), (other, _) = somebody(server, "member"), somebody(server, "member")
    for ask in (("GET", "/api/users"), ("GET", "/api/audit"), ("DELETE", f"/api/users/{other}/tokens")):
        with pytest.raises(UsageError, match="may not"):
            member.ask(*ask)


def test_the_audit_shows_what_was_refused(server: ServerProcess) -> None:
    name, viewer = somebody(server, "viewer")
    with pytest.raises(UsageError, match="may not"):
        viewer.ask("POST", "/api/jobs", {"job": {"command": ["true"]}, "folder": "/"})
    head, *rows = (line.split() for line in said("users", "--audit").splitlines())
    row = next(row for row in rows if name in row)
    assert (head[-1], row[-4:]) == ("outcome", [name, "submit", "jobs", "refused"])
    assert name in said("users")


def test_the_audit_shows_who_asked_for_what_is_another_teams(server: ServerProcess) -> None:
    team = f"team-{uuid.uuid4().hex[:8]}"
    _, member = somebody(server, "member", ("maps",))
    with pytest.raises(UsageError, match=f"not in team {team}"):
        member.ask("POST", "/api/jobs", {"job": {"command": ["true"], "team": team}, "folder": "/"})
    assert outcomes("submit", f"team {team}") == [False]


def outcomes(action: str, subject: str) -> list[bool]:
    """Whether each of these was done, the newest first."""
    rows = json.loads(said("users", "--audit", "--json"))
    return [row["was_allowed"] for row in rows if (row["action"], row["subject"]) == (action, subject)]


def test_what_was_not_done_for_any_reason_does_not_read_as_done() -> None:
    bad, team, nobody = (f"{begin}{uuid.uuid4().hex[:8]}" for begin in ("a b$(id)", "team-", "nobody-"))
    for action, subject, *words in (
        ("set user", bad, "users", "--set", bad, "--role", "viewer"),
        ("set user", bad, "server", "--token", bad),
        ("take back tokens", nobody, "users", "--revoke", nobody),
        ("set quota", f"{team}@nowhere", "quota", "--set", team, "--own", "1", "--pool", "nowhere"),
        ("drop quota", team, "quota", "--remove", team),
        ("drop budget", team, "budget", "--remove", team),
        ("set node draining", nobody, "pools", "--drain", nobody),
    ):
        with pytest.raises(UsageError):
            said(*words)
        assert outcomes(action, subject)[:1] == [False], (action, subject)
    said("quota", "--set", team, "--own", "1")
    said("quota", "--remove", team)
    assert (outcomes("set quota", team), outcomes("drop quota", team)) == ([True], [True, False])


def test_tokens_of_somebody_who_is_not_known_are_not_said_to_be_taken_back() -> None:
    nobody = f"nobody-{uuid.uuid4().hex[:8]}"
    with pytest.raises(UsageError, match=f"there is no user '{nobody}'"):
        said("users", "--revoke", nobody)


def test_the_audit_prints_nothing_that_a_terminal_obeys(server: ServerProcess) -> None:
    _, member = somebody(server, "member")
    with pytest.raises(UsageError, match="may not"):
        member.ask("DELETE", "/api/users/x%1b%5b2J%0Aroot/tokens")
    assert r"x\x1b[2J\nroot" in said("users", "--audit")
