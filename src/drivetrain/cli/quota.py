"""`drivetrain quota`: what teams own, and who may borrow from whom."""

from __future__ import annotations

import json
import math
from typing import Any

import click

from drivetrain.cli.options import refuse_alone
from drivetrain.cli.tables import table
from drivetrain.core.errors import UsageError

MILLI = 1000


@click.command()
@click.option("--set", "team", metavar="TEAM", help="Write this team's quota; needs --own.")
@click.option("--remove", "--drop", "removed", metavar="TEAM", help="Take this team's quota back.")
@click.option("--own", type=float, help="Accelerators that are its own.")
@click.option("--cohort", default="", help="Teams of one cohort borrow from each other.")
@click.option("--pool", default="", help="Of this pool alone.")
@click.option("--borrow", type=float, help="At most so many on top; by default all that others leave.")
@click.option("--lend", type=float, help="At most so many of its own to others; by default all.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def command(
    team: str | None,
    removed: str | None,
    own: float | None,
    cohort: str,
    pool: str,
    borrow: float | None,
    lend: float | None,
    as_json: bool,
) -> None:
    """List quotas, set one, or take one back.

    A team without a quota, where others have one, owns nothing: it may use what nobody owns, and borrow what owners
    lend, until they ask it back. A quota that changes ends no job: what waits goes on to wait, with the reason.
    """
    from drivetrain.server.client import connect

    if team is not None and removed is not None:
        raise UsageError(f"--set {team} and --remove {removed} are both given", hint="one at a time")
    refuse_alone(("own", "cohort", "borrow", "lend"), "--set", hint="drivetrain quota --set TEAM --own 8")
    refuse_alone(("pool",), "--set or --remove", hint="all quotas are listed")
    if team is not None and own is None:
        raise UsageError(f"what does team {team} own?", hint=f"drivetrain quota --set {team} --own 8")
    client = connect()
    if team is not None and own is not None:
        body = {
            "team": team,
            "cohort": cohort,
            "pool": pool,
            "nominal_milli": _milli("--own", own),
            "most_borrowed_milli": None if borrow is None else _milli("--borrow", borrow),
            "most_lent_milli": None if lend is None else _milli("--lend", lend),
        }
        client.ask("PUT", _address(team, pool), body)
    if removed is not None:
        client.ask("DELETE", _address(removed, pool))
    quotas = client.ask("GET", "/api/settings/quota")
    if as_json:
        click.echo(json.dumps(quotas))
    elif quotas:
        head = ("team", "pool", "cohort", "own", "borrows", "lends")
        click.echo(table(head, [_row(quota) for quota in quotas], (3, 4, 5)))
    else:
        click.echo("no quotas: anybody may use all; set one: drivetrain quota --set perception --own 8")


def _address(team: str, pool: str) -> str:
    """Of one setting. Raises: UsageError: no team or no pool can be called so."""
    from drivetrain.server.addresses import in_path

    return f"/api/settings/quota/{in_path('team', team)}%40{in_path('pool', pool) if pool else ''}"


def _row(quota: dict[str, Any]) -> tuple[str, ...]:
    own, most = f"{quota['nominal_milli'] / MILLI:g}", (quota["most_borrowed_milli"], quota["most_lent_milli"])
    return quota["team"], quota["pool"] or "all", quota["cohort"] or "–", own, *map(_most, most)


def _milli(option: str, number: float) -> int:
    if not 0 <= number < math.inf:
        raise UsageError(f"{option} is {number:g}, expected 0 or more")
    return round(number * MILLI)


def _most(milli: int | None) -> str:
    return "all" if milli is None else f"{milli / MILLI:g}"
