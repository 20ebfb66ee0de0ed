"""Measure a suite."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drivetrain.bench.history import DEFAULT

if TYPE_CHECKING:
    from drivetrain.bench.suites import Session

_INTERRUPTED = 130


@click.command()
@click.argument("suite")
@click.option("--against", metavar="REF", help="A commit to measure in turns with the working tree.")
@click.option(
    "--case", "cases", metavar="NAME", multiple=True, help="Only cases whose name begins so; may be repeated."
)
@click.option("--samples", type=click.IntRange(min=1), help="Of each case and side; 10, or as many as the suite says.")
@click.option("--history", default=DEFAULT, show_default=True, help="Folder or bucket that the results are added to.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each suite.")
def command(
    suite: str, against: str | None, cases: tuple[str, ...], samples: int | None, history: str, as_json: bool
) -> None:
    """Measure the cases of SUITE, each sample in a fresh process, and add the results to a history.

    SUITE is a Python file, a module, or a folder of such files. Each function bench_NAME in it is a case; a parameter
    whose default is a tuple is tried at each of its values. With --against REF the same cases are measured on the code
    of that commit too, side A, taking turns (ABBA) with the working tree, side B.

    Exit codes: 0 all measured · 1 a case failed, hung or left processes behind; the others are recorded ·
    2 wrong usage · 65 not a suite · 130 Ctrl-C, with what was measured by then.
    """
    from drivetrain.bench.history import open_history
    from drivetrain.bench.suites import suite_files
    from drivetrain.cli.errors import show_error
    from drivetrain.core.errors import DataError

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing is left of a session that is stopped
    shelf, code = open_history(history), 0
    for file in suite_files(suite):
        try:
            session = _measure(file, against, cases, samples)
        except DataError as exc:  # of several suites the others are measured all the same
            show_error(exc.message, exc.hint)
            code = exc.exit_code
            continue
        _show(session, as_json)
        shelf.append(session.results)
        if session.is_stopped:
            sys.exit(_INTERRUPTED)
        if any(not finding.is_remark for finding in session.findings):
            code = code or 1
    sys.exit(code)


def _measure(file: Path, against: str | None, cases: tuple[str, ...], samples: int | None) -> Session:
    from drivetrain.bench.suites import opened
    from drivetrain.cli.progress import bar
    from drivetrain.core import ids
    from drivetrain.store import home

    logs = home() / "bench" / ids.new_id("bench")
    with opened(file, against) as bench:
        suite = bench.suite.only(*cases) if cases else bench.suite
        samples = samples or suite.settings.num_samples
        total = len(suite.cases) * samples * len(bench.codes)
        with bar(suite.name[:10], total) as advance:
            session = bench.run(suite, samples, logs, lambda done, _, note: advance(done, note))
    return session


def _show(session: Session, as_json: bool) -> None:
    import msgspec

    from drivetrain.bench.suites.text import finding_text, session_text

    click.echo(msgspec.json.encode(session, enc_hook=str).decode() if as_json else session_text(session))
    for finding in session.findings:
        click.echo(finding_text(finding), err=True)
    logs = [finding.log for finding in session.findings if finding.log.exists()]
    if logs:
        click.echo(f"what they printed is in {logs[0].parent}", err=True)
