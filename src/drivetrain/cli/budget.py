"""`drivetrain budget`: what teams may spend, and what they have."""

from __future__ import annotations

import json
import math
from typing import Any

import click

from drivetrain.cli.options import refuse_alone
from drivetrain.cli.tables import table
from drivetrain.core.errors import UsageError

MICROS = 1_000_000


@click.command()
@click.option("--set", "team", metavar="TEAM", help="Write this team's budget; needs --limit.")
@click.option("--remove", "--drop", "removed", metavar="TEAM", help="Take this team's budget back.")
@click.option("--limit", type=float, help="What it may spend, in the currency of the pools' prices.")
@click.option("--per", type=click.Choice(("day", "week", "month")), default="month", show_default=True, help="By UTC.")
@click.option("--warn-at", default=80.0, show_default=True, type=click.FloatRange(0, 100), help="% of the limit.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array; money in millionths.")
def command(
    team: str | None, removed: str | None, limit: float | None, per: str, warn_at: float, as_json: bool
) -> None:
    """List budgets, set one, or take one back.

    What a team holds of pools that have a price counts, by the hour. Near the limit it is warned, here and where its
    jobs are described; at it, its paid jobs save and wait until there is more, and its others run on.
    """
    from drivetrain.server.addresses import in_path
    from drivetrain.server.client import connect

    if team is not None and removed is not None:
        raise UsageError(f"--set {team} and --remove {removed} are both given", hint="one at a time")
    refuse_alone(("limit", "per", "warn_at"), "--set", hint="drivetrain budget --set TEAM --limit 5000")
    client = connect()
    if team is not None:
        if limit is None:
            raise UsageError(f"what may team {team} spend?", hint=f"drivetrain budget --set {team} --limit 5000")
        if not 0 <= limit < math.inf:
            raise UsageError(f"--limit is {limit:g}, expected 0 or more")
        body = {"team": team, "limit": round(limit * MICROS), "per": per, "warn_at": warn_at / 100}
        client.ask("PUT", f"/api/settings/budget/{in_path('team', team)}", body)
    if removed is not None:
        client.ask("DELETE", f"/api/settings/budget/{in_path('team', removed)}")
    budgets = client.ask("GET", "/api/budgets")
    if as_json:
        click.echo(json.dumps(budgets))
    elif budgets:
        rows = [(b["team"], b["per"], *_amounts(b["spent"], b["limit"]), standing(b) or "–") for b in budgets]
        click.echo(table(("team", "per", "spent", "of", "%", "state"), rows, (2, 3, 4)))
    else:
        click.echo("no budgets: nobody is stopped by money; set one: drivetrain budget --set perception --limit 5000")


def standing(budget: dict[str, Any]) -> str:
    """Whether a team is warned, or has spent all; empty where neither is so. As `policy.budget` sees it."""
    if budget["spent"] >= budget["limit"]:
        return "spent"
    return "warned" if budget["spent"] >= budget["limit"] * budget["warn_at"] else ""


def words(budget: dict[str, Any]) -> str:
    """How much of it is left, for people."""
    spent, limit, pct = _amounts(budget["spent"], budget["limit"])
    return f"{spent} of {limit} spent this {budget['per']}, {pct} %"


def _amounts(spent: int, limit: int) -> tuple[str, str, str]:
    part = f"{100 * spent / limit:.0f}" if limit else "100"
    return f"{spent / MICROS:,.2f}", f"{limit / MICROS:,.2f}", part
