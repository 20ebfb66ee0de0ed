"""`drivetrain logs`: what a job's ranks print, or the tasks of an array."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from drivetrain.core.errors import UsageError

if TYPE_CHECKING:
    from drivetrain.server.client import Client
    from drivetrain.server.patient import PatientClient


@click.command()
@click.argument("job")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
@click.option("--rank", type=click.IntRange(min=0), help="Of one rank alone.")
@click.option("--task", type=click.IntRange(min=0), help="Of one task of an array alone.")
@click.option("--tail", type=click.IntRange(0, 1_000_000), metavar="N", help="From the last N lines of each rank on.")
@click.pass_context
def command(
    context: click.Context, job: str, follow: bool, rank: int | None, task: int | None, tail: int | None
) -> None:
    """Show what JOB's ranks print: an id, the beginning of one, or `latest`. Of an array, what its tasks print.

    With -f it waits, too, for a server that is away, as the job goes on.

    Exit codes: 0; with -f, 1 where the job failed, was stopped or was refused, and stderr says so.
    """
    from drivetrain.server.client import connect
    from drivetrain.server.patient import PatientClient

    connected = connect()
    found = connected.job(job)
    _check_there(found, rank, task)
    if tail is not None and found["job"]["array"]:
        raise UsageError("--tail is of ranks, and this is an array", hint="--task N shows one task's output")
    job_id = found["id"]  # what `latest` means may change meanwhile
    lines = _Lines(is_plain=rank is not None, task=task)
    attempt: int | None = None
    client = PatientClient(connected, _away) if follow else connected
    for piece in client.logs(job_id, rank=rank, last=tail):
        if attempt is not None and piece["attempt"] > attempt and "/" not in piece["file"]:
            for rest in lines.rest():
                click.echo(rest)
            click.echo(_mark(client.job(job_id), piece["attempt"]), err=rank is not None)
        attempt = max(piece["attempt"], attempt or 0)
        if text := "\n".join(lines.of(piece)):
            click.echo(text)
    for rest in lines.rest():
        click.echo(rest)
    if follow:
        context.exit(_outcome(client, job_id))


def _away(why: str) -> None:
    click.echo(f"{why}; the job goes on, and this when a server is back", err=True)


def _check_there(found: dict[str, Any], rank: int | None, task: int | None) -> None:
    """Raises: UsageError: a job has no such rank or task."""
    import msgspec

    from drivetrain.compute.job import Job

    job = msgspec.convert(found["job"], Job)  # a newer server's jobs may have keys that are not known here
    if task is not None and not job.array:
        raise UsageError(f"--task is {task}, but {found['id']} is no array", hint="--rank shows one rank's output")
    if task is not None and task not in job.tasks:
        raise UsageError(
            f"{found['id']} has no task {task}", hint=f"its tasks are {job.tasks.start} to {job.tasks.stop - 1}"
        )
    num_ranks = job.num_ranks * (1 if job.array else job.nodes_range[1])
    if rank is not None and rank >= num_ranks:
        there = "rank 0 alone" if num_ranks == 1 else f"ranks 0 to {num_ranks - 1}"
        raise UsageError(f"{found['id']} has no rank {rank}", hint=f"it has {there}")


def _mark(job: dict[str, Any], attempt: int) -> str:
    """The line between what an attempt of the run printed and the next; where one rank's words are shown, on stderr."""
    from drivetrain.core.clock import utc_text
    from drivetrain.core.units import NS_PER_S

    for restart in job["restarts"]:
        if restart["of_run"] == attempt:
            return f"--- started again at {utc_text(int(restart['at_s'] * NS_PER_S))}: {restart['reason']} ---"
    return f"--- started again: {len(job['attempts'])} attempts so far ---"


def _outcome(client: Client | PatientClient, job: str) -> int:
    ended = client.job(job)
    if ended["state"] == "succeeded":
        return 0
    reason = f": {ended['reason']}" if ended["reason"] else ""
    click.echo(f"{job} {'was ' if ended['state'] != 'failed' else ''}{ended['state']}{reason}", err=True)
    return 1


class _Lines:
    """Whole lines of pieces, each with whose it is.

    Args:
      is_plain: they say nothing of a rank.
      task: of one alone.
    """

    def __init__(self, *, is_plain: bool, task: int | None) -> None:
        from drivetrain.compute.agent.tasks import TASK_MARK

        self._is_plain, self._task, self._mark = is_plain, task, TASK_MARK
        self._unfinished: dict[str, str] = {}
        self._prefixes: dict[str, str] = {}
        self._tasks: dict[str, int] = {}

    def of(self, piece: dict[str, Any]) -> Iterator[str]:
        """Those that end in a piece."""
        file = piece["file"]
        self._prefixes.setdefault(file, "" if self._is_plain else f"[{piece['rank']}] ")
        text = self._unfinished.pop(file, "") + piece["text"]
        *whole, rest = text.split("\n")
        if rest:
            self._unfinished[file] = rest
        for line in whole:
            before, mark, task = line.partition(self._mark)
            if not mark or before:  # the end of what printed before may have no end of line
                yield from self._shown(file, before)
            if mark and task.isdecimal():
                self._tasks[file] = int(task)

    def rest(self) -> Iterator[str]:
        """What has no end of line."""
        for file, line in self._unfinished.items():
            yield from self._shown(file, line)
        self._unfinished.clear()

    def _shown(self, file: str, line: str) -> Iterator[str]:
        task = self._tasks.get(file)
        if self._task is None or task == self._task:
            yield (
                line
                if self._task is not None
                else f"[task {task}] {line}"
                if task is not None
                else (self._prefixes[file] + line)
            )
