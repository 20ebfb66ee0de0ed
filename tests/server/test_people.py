"""`drivetrain users` and `drivetrain server --token`: who may do what, and what an operator sees and changes of it."""

from __future__ import annotations

import json
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
    row = next(line.split() for line in said("users", "--audit").splitlines() if name in line.split())
    assert row[-4:] == [name, "submit", "jobs", "refused"]
    assert name in said("users")
