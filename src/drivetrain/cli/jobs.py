"""`drivetrain jobs`: what runs, waits and has ended."""

from __future__ import annotations

import json
import shutil
import time
from typing import Any

import click

from drivetrain.cli.options import said
from drivetrain.cli.tables import clipped, table
from drivetrain.core.errors import UsageError
from drivetrain.core.units import NS_PER_S, duration_text

_HEAD = ("id", "user", "team", "state", "age", "name", "reason")
_WIDTH, _LEAST_REASON, _MOST_NAME, _MOST_WHO = 120, 12, 16, 12


@click.command()
@click.option("--mine", is_flag=True, help="Only my own.")
@click.option("--team", default="", help="Of this team alone.")
@click.option("--state", "states", multiple=True, help="In this state: waiting, running, succeeded, ...")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="The newest so many.")
@click.option("--history", is_flag=True, help="All that ever happened, as JSON Lines for `drivetrain simulate`.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array of objects.")
def command(mine: bool, team: str, states: tuple[str, ...], limit: int, history: bool, as_json: bool) -> None:
    """List jobs, newest first."""
    from drivetrain.server.client import connect

    for state in states:
        _check_state(state)
    others = [option for name, option in said().items() if name not in ("history", "as_json")]
    if history and others:
        raise UsageError(f"--history and {others[0]} are both given", hint="a history has the jobs of everybody")
    client = connect()
    if history:
        for line in client.history():
            click.echo(line)
        return
    user = client.ask("GET", "/api/me")["name"] if mine else ""
    jobs = client.jobs(user=user, team=team, state=list(states), limit=limit)
    if as_json:
        click.echo(json.dumps(jobs))
    elif jobs:
        click.echo(jobs_text(jobs, time.time(), shutil.get_terminal_size((_WIDTH, 0)).columns))
    elif user or team or states:
        click.echo("there are no such jobs; drivetrain jobs lists all", err=True)
    else:
        click.echo("there are no jobs; make one: drivetrain submit -- python train.py", err=True)


def jobs_text(jobs: list[dict[str, Any]], now_s: float, width: int) -> str:
    """A line a job, of `width` characters at most where that leaves room for a reason; --json has them whole."""
    rows = [
        (
            job["id"],
            clipped(job["user"], _MOST_WHO),
            clipped(job["team"], _MOST_WHO),
            _state(job),
            duration_text(max(1, round(now_s - job["submitted_s"])) * NS_PER_S),
            clipped(job["job"]["name"], _MOST_NAME),
            "",
        )
        for job in jobs
    ]
    before = max(map(len, table(_HEAD, [(*row[:-1], "reason") for row in rows]).split("\n"))) - len("reason")
    most = max(_LEAST_REASON, width - before)
    return table(_HEAD, [(*row[:-1], clipped(job["reason"], most)) for row, job in zip(rows, jobs, strict=True)])


def _check_state(state: str) -> None:
    """Raises: UsageError: jobs are in no such state."""
    from drivetrain.server.client import FINAL

    states = ["waiting", "starting", "running", "leaving", *FINAL]
    if state not in states:
        from drivetrain.core.config import nearest

        guess = nearest(state, states)
        hint = f"did you mean {guess}?" if guess else f"one of {', '.join(states)}"
        raise UsageError(f"--state is {state[:40]!r}, which no job is in", hint=hint)


def _state(job: dict[str, Any]) -> str:
    """With how many tasks have a result, where it is an array, or how many failed where that is how it ended."""
    tasks = job["tasks"]
    if tasks is None:
        return str(job["state"])
    failed = tasks["num_failed"]
    if job["state"] == "failed" and failed:
        return f"failed {failed} of {tasks['num_tasks']}"
    done = f"{job['state']} {tasks['num_succeeded'] + failed}/{tasks['num_tasks']}"
    return f"{done}, {failed} failed" if failed else done
