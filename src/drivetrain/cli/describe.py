"""`drivetrain describe`: what a job is, why it is where it is, and what happened to it."""

from __future__ import annotations

import json
import shlex
import time
from contextlib import suppress
from itertools import zip_longest
from typing import Any

import click

from drivetrain.cli.budget import standing, words
from drivetrain.core.clock import utc_text
from drivetrain.core.errors import UsageError
from drivetrain.core.units import NS_PER_S, duration_text

_MOST_SHOWN = 10


@click.command()
@click.argument("job")
@click.option("--json", "as_json", is_flag=True, help="All that is known, as JSON.")
def command(job: str, as_json: bool) -> None:
    """Tell all about JOB: an id, the beginning of one, or `latest`."""
    from drivetrain.cli.progress import late_line
    from drivetrain.server.client import FINAL, connect

    client = connect()
    found = client.job(job)
    if found["state"] == "waiting":
        why = f": {found['reason']}" if found["reason"] else ""
        told = late_line(f"{found['id']} waits{why}; playing the queue forward to see how long ...")
        with told, suppress(UsageError):  # it has just stopped to wait
            found["estimate"] = client.ask("GET", f"/api/jobs/{found['id']}/estimate")
    if found["state"] not in FINAL:
        with suppress(UsageError):  # a server of an older version has none
            found["budget"] = _budget(client.ask("GET", "/api/budgets"), found["team"])
    click.echo(json.dumps(found) if as_json else "\n".join(_lines(found)))


def _budget(budgets: list[dict[str, Any]], team: str) -> dict[str, Any] | None:
    """That of a team."""
    return next((budget for budget in budgets if budget["team"] == team), None)


def _lines(job: dict[str, Any]) -> list[str]:
    lines = [f"{job['id']}  {job['state']}", f"  command    {shlex.join(job['job']['command'])}"]
    if job["job"]["name"]:
        lines.append(f"  name       {job['job']['name']}")
    lines.append(f"  whose      {job['user']}, team {job['team']}")
    lines.append(f"  asks for   {_asked(job['job'])}")
    lines.append(f"  submitted  {utc_text(int(job['submitted_s'] * NS_PER_S))}")
    if job["deadline_s"] is not None:
        lines.append(f"  deadline   {deadline_words(job, time.time())}")
    if reason := job.get("estimate", {}).get("text") or job["reason"]:
        lines.append(f"  reason     {reason}")
    if (budget := job.get("budget")) and standing(budget) == "warned":  # once it is spent, the reason says so
        lines.append(f"  budget     {words(budget)}; at the end its paid jobs save and wait")
    if job["exit_code"] is not None and job["ended_s"] is not None:  # else it is that of an attempt that made way
        lines.append(f"  exit code  {job['exit_code']}")
    if job["tasks"] is None:
        lines.append(f"  run        {job['run']}")
    else:
        lines += _tasks(job)
    for attempt, after in zip_longest(job["attempts"], job["attempts"][1:]):
        lines.append(f"  attempt {attempt['number']}  {_attempt(attempt, after, reason)}")
        lines += _restarts([each for each in job["restarts"] if each["attempt"] == attempt["number"]])
    return lines


def deadline_words(job: dict[str, Any], now_s: float) -> str:
    """When it should be done, and whether it was."""
    due_s, ended_s = job["deadline_s"], job["ended_s"]
    at = utc_text(int(due_s * NS_PER_S))
    late = duration_text(int(abs((ended_s or now_s) - due_s) * NS_PER_S))
    if ended_s is None:
        return f"{at}: missed, late by {late} so far" if now_s > due_s else f"{at}: in {late}"
    if ended_s > due_s:
        return f"{at}: missed, ended {late} late"
    return f"{at}: met" if job["state"] == "succeeded" else at


def _tasks(job: dict[str, Any]) -> list[str]:
    tasks, failed, is_over = job["tasks"], job["failed_tasks"], job["ended_s"] is not None
    num_left = tasks["num_tasks"] - sum(tasks[f"num_{what}"] for what in ("succeeded", "failed", "given_out"))
    what = "not done" if is_over and num_left > 0 else "waiting"
    lines = [
        f"  tasks      {tasks['num_succeeded']:,} of {tasks['num_tasks']:,} succeeded, {tasks['num_failed']:,} failed,"
        f" {tasks['num_given_out']:,} given out, {max(0, num_left):,} {what}"
    ]
    if again := job["num_tasks_again"]:
        lines.append(
            f"  again      {again:,} given out more than once: failed, slow, or of a worker that was lost or left"
        )
    for failure in failed[:_MOST_SHOWN]:
        said = f": {failure['said']}" if failure["said"] else ""
        lines.append(f"  failed     task {failure['task']} with {failure['exit_code']}{said}")
    if tasks["num_failed"] > _MOST_SHOWN:
        lines.append(f"             and {tasks['num_failed'] - _MOST_SHOWN:,} more: --json")
    if failed:
        lines.append(f"  output     drivetrain logs {job['id']} --task {failed[0]['task']}")
    return lines


def _asked(asked: dict[str, Any]) -> str:
    """Its size, where, how urgently and for how long."""
    nodes = str(asked["nodes"])
    words = ["1 node" if nodes == "1" else f"{nodes} nodes"]
    for what, unit in (("gpus", "GPU"), ("cpus", "core"), ("ranks", "rank")):
        if asked[what]:
            kind = f" {asked['gpu']}" if what == "gpus" and asked["gpu"] else ""
            words.append(f"{asked[what]:g} {unit}{'' if asked[what] <= 1 else 's'}{kind}")
    words += [asked["memory"]] if asked["memory"] else []
    size = words[0] + (f" of {', '.join(words[1:])} each" if words[1:] else "")
    preemptible = ", preemptible" if asked["preemptible"] else ""
    most = f"; at most {asked['max_runtime']}" if asked["max_runtime"] else ""
    return f"{size}; pool {asked['pool'] or 'any'}; priority {asked['priority']}{preemptible}{most}"


def _attempt(attempt: dict[str, Any], after: dict[str, Any] | None, of_job: str) -> str:
    """In one line. Args: after: the next one; of_job: the reason that is told of the job, which is not said twice."""
    pool = f" of pool {attempt['pool']}" if attempt["pool"] else ""
    name = f" as {attempt['known_as']}" if attempt["known_as"] else ""
    words = [f"{attempt['state']} on {_nodes(attempt)}{pool}{name}"]
    if attempt["started_s"] and not attempt["ended_s"]:
        words[0] += f" since {utc_text(int(attempt['started_s'] * NS_PER_S))}"
    if attempt["started_s"] and attempt["ended_s"]:
        over_s = attempt["ran_until_s"] or attempt["ended_s"]
        words.append(f"took {duration_text(int((over_s - attempt['started_s']) * NS_PER_S))}")
    if attempt["step"] is not None:
        words.append(f"reached step {attempt['step'] + 1}")  # as checkpoints count: after the first one it is step 1
    if attempt["saved_step"] is not None:
        words.append(f"saved at step {attempt['saved_step']}")
    if attempt["why"] and attempt["reason"] != of_job:
        words.append(attempt["reason"])
    if attempt["lost"] and after is not None:
        words[-1] += f": started again on {_nodes(after)}"
    return "; ".join(words)


def _restarts(restarts: list[dict[str, Any]]) -> list[str]:
    """Of ranks, in place, within an attempt."""
    if not restarts:
        return []
    last = restarts[-1]
    times = "once" if len(restarts) == 1 else f"{len(restarts)} times, last"
    at = utc_text(int(last["at_s"] * NS_PER_S))
    return [f"             ranks started again {times} at {at}: {last['reason']}"]


def _nodes(attempt: dict[str, Any]) -> str:
    return ", ".join(share["node"] for share in attempt["shares"])
