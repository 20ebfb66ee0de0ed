"""A history as a folder of pages."""

from __future__ import annotations

from pathlib import Path

import click

from drivetrain.bench.history import DEFAULT


@click.command()
@click.argument("address", metavar="[HISTORY]", default=DEFAULT)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default="bench-site", show_default=True, help="A folder."
)
def command(address: str, out: Path) -> None:
    """Write a history as static pages that open without a network: trends, what changed, and the commits between.

    The pages of an earlier call in the same folder are replaced; nothing else in it is touched.

    Exit codes: 0 written · 65 no history · 74 the folder cannot be written.
    """
    import functools

    from drivetrain.bench.history.commits import commits_between
    from drivetrain.cli.bench.choosing import read_trends
    from drivetrain.cli.bench.pages import site_pages
    from drivetrain.core import clock
    from drivetrain.store import publish_bytes

    trends, skipped = read_trends(address)
    find_commits = functools.cache(commits_between)
    pages = site_pages(
        trends, lambda before, after: find_commits(before, after), skipped=skipped, as_of_ns=clock.wall_ns()
    )
    for name, text in pages.items():
        publish_bytes(out / name, text.encode())
    click.echo(f"wrote {len(pages)} pages: {out / 'index.html'}")
