"""`drivetrain bench`: a table of verbs over measurements, each in a file of its own, loaded when chosen."""

from __future__ import annotations

import click

from drivetrain.cli.verbs import Verbs

_VERBS = {
    "run": "Measure a suite, and what it does beside another commit.",
    "compare": "What a change did: better, worse, or not known yet.",
    "gate": "Whether a change may pass, for CI.",
    "detect": "Where the level of any series of numbers changes.",
    "history": "What was measured so far, and where it changed.",
    "site": "A history as pages with pictures.",
}
"""Verb -> its help; the file of the same name has its `command`."""


@click.command("bench", cls=Verbs, package=__name__, verbs=_VERBS)
def command() -> None:
    """Measure, compare, and remember.

    A HISTORY is a folder with a file of results for each suite, one such file, or the URL of a bucket; unless one is
    named it is `benchmarks/results` under the working directory.
    """
