"""`drivetrain users`: who may do what at a server, and who did what; for operators."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from drivetrain.cli.options import refuse_alone
from drivetrain.cli.tables import table
from drivetrain.core.clock import utc_text
from drivetrain.core.units import NS_PER_S, count_text

if TYPE_CHECKING:
    from drivetrain.server.client import Client


@click.command()
@click.option("--set", "user", metavar="USER", help="Write a user, new or not; what is not said stays as it is.")
@click.option("--role", type=click.Choice(["viewer", "member", "operator"]), help="Of that user.")
@click.option("--teams", help="Of that user, with commas; the first is theirs by default.")
@click.option("--revoke", metavar="USER", help="Take back all tokens of a user.")
@click.option("--audit", is_flag=True, help="Who did what, or tried to; the newest first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def command(
    user: str | None, role: str | None, teams: str | None, revoke: str | None, audit: bool, as_json: bool
) -> None:
    """List users with their roles, teams and tokens; write one, or take tokens back.

    A token is made by `drivetrain server --token USER`, which shows it once.
    """
    from drivetrain.server.addresses import in_path
    from drivetrain.server.client import connect

    refuse_alone(("role", "teams"), "--set", hint="drivetrain users --set USER --role member")
    client = connect()
    if user is not None:
        set_user(client, user, role, teams)
    if revoke is not None:
        answer = client.ask("DELETE", f"/api/users/{in_path('user', revoke)}/tokens")
        click.echo(f"{count_text(answer['num_dropped'], 'token')} of {revoke} taken back", err=True)
    found = client.ask("GET", "/api/audit" if audit else "/api/users")
    click.echo(json.dumps(found) if as_json else _audit(found) if audit else _users(found))


def set_user(client: Client, name: str, role: str | None, teams: str | None) -> None:
    """Write a user; of one who is there, what is None stays as it is, and a new one is a member."""
    from drivetrain.server.addresses import in_path

    path = f"/api/users/{in_path('user', name)}"
    known = {user["name"]: user for user in client.ask("GET", "/api/users")}
    before = known.get(name, {"role": "member", "teams": []})
    if name in known and role is None and teams is None:
        return
    body = {
        "role": role or before["role"],
        "teams": before["teams"] if teams is None else [team for team in teams.split(",") if team],
    }
    client.ask("PUT", path, body)


def _users(found: list[dict[str, Any]]) -> str:
    rows = []
    for user in found:
        last_s = max((token["expires_s"] for token in user["tokens"]), default=None)
        until = "–" if last_s is None else utc_text(int(last_s * NS_PER_S))
        rows.append((user["name"], user["role"], ", ".join(user["teams"]) or "–", str(len(user["tokens"])), until))
    return table(("user", "role", "teams", "tokens", "good until"), rows, (3,))


def _audit(found: list[dict[str, Any]]) -> str:
    rows = [
        (utc_text(int(row["at_s"] * NS_PER_S)), row["user"], row["action"], row["subject"], _verdict(row))
        for row in found
    ]
    return table(("when", "user", "what", "to", "outcome"), rows)


def _verdict(row: dict[str, Any]) -> str:
    return "done" if row["was_allowed"] else "refused"
