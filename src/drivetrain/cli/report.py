"""Where the device time of a run or a timeline went: the account, what to do about it, and the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drivetrain.cli.errors import show_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivetrain.monitor import Finding


@click.command("report")
@click.argument("targets", nargs=-1, metavar="[RUN] | --timeline FILE...")
@click.option("--timeline", "are_timelines", is_flag=True, help="Account for timeline files instead of a run.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for a run, one a line for timelines.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in a browser.")
def command(targets: tuple[str, ...], are_timelines: bool, as_json: bool, open_page: bool) -> None:
    """Say where a run's device time went, and write its report.html.

    RUN is an id, the beginning of one, a path to a run's folder, or `latest`, which is meant where none is said.
    """
    if are_timelines and not targets:
        raise click.UsageError("--timeline is given without a FILE")
    if are_timelines:
        _report_timelines(targets, as_json=as_json)
    elif len(targets) <= 1:
        _report_run(*(targets or ("latest",)), as_json=as_json, open_page=open_page)
    else:
        raise click.UsageError(f"one RUN at a time, not {len(targets)}; for timeline files add --timeline")


def _report_run(name: str, *, as_json: bool, open_page: bool) -> None:
    import msgspec

    from drivetrain.ledger import table
    from drivetrain.report import PROMISE, gather, recoveries_text, summary, write_profile_page, write_report
    from drivetrain.store import open_run

    run = open_run(name)
    write_profile_page(run)
    story = gather(run)
    if story.num_unreadable:
        click.echo(f"lines of its journals left out because they cannot be read: {story.num_unreadable}", err=True)
    if as_json:
        click.echo(msgspec.json.encode({**summary(story), "report": str(write_report(run, story))}).decode())
    else:
        click.echo(table(story.account))
        if story.recoveries:
            click.echo(f"\n{recoveries_text(story.recoveries)}")
        click.echo(_findings_text(story.findings))
        if story.newest is not None:
            click.echo(f"resumes: at step {story.newest.step:,}, with {PROMISE[story.newest.tier]}")
        if story.profile_page:
            click.echo(f"profile: {run.profile_page}")
        click.echo(f"report: {write_report(run, story)}")
    if open_page:
        click.launch(str(run.report_file))


def _findings_text(findings: Sequence[Finding]) -> str:
    lines = []
    for finding in findings:
        lines += ["", f"{'! ' if finding.is_alarm else ''}{finding.text}"]
        lines += [f"    {part}" for part in (finding.evidence, finding.change, finding.gain) if part]
    return "\n".join([*lines, ""])


def _report_timelines(paths: Sequence[str], *, as_json: bool) -> None:
    """Print every account that can be made; then the errors of the others, each naming its file.

    Raises: DataError: a file is no timeline or contradicts itself; the last of them, those before are printed.
    """
    from drivetrain.core.errors import DataError

    errors: list[DataError] = []
    for path in paths:
        try:
            click.echo(_timeline_text(path, as_json=as_json))
        except DataError as exc:
            errors.append(exc)
    for error in errors[:-1]:
        show_error(error.message)
    if errors:
        raise errors[-1]


def _timeline_text(path: str, *, as_json: bool) -> str:
    import msgspec

    from drivetrain.core.errors import DataError, LedgerError
    from drivetrain.ledger import account_of_timeline, read_timeline, table, timeline_json

    timeline = read_timeline(path)
    account = account_of_timeline(timeline)
    try:
        account.check()
    except LedgerError as exc:
        raise DataError(f"{path} contradicts itself: {exc.message}") from exc
    if timeline.num_unreadable:
        click.echo(f"{path}: lines left out because they cannot be read: {timeline.num_unreadable}", err=True)
    if as_json:
        return msgspec.json.encode(timeline_json(timeline.name, account)).decode()
    return f"{timeline.name}\n{table(account)}\n"
