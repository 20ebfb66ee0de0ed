"""`drivetrain data`: a table of verbs over logs and data sets, each in a file of its own, loaded when chosen."""

from __future__ import annotations

import click

from drivetrain.cli.verbs import Verbs

_VERBS = {
    "ingest": "Make a data set of a log.",
    "run": "Run a pipeline that a Python file defines.",
    "check": "Look for what is wrong with a log or a data set.",
    "convert": "Write a log as MCAP, for other tools.",
    "export": "Write one stream of a log as parquet.",
    "compare": "Say how far the numbers of one data set are from another's.",
    "sync": "Join a log's streams to one of them, by time.",
    "show": "Say what is in a log or a data set, or draw it.",
    "query": "Find samples of a data set.",
    "slices": "Named predicates of a data set.",
    "versions": "What was done to a data set.",
    "diff": "How two data sets, or versions of one, differ.",
    "split": "Part the samples of a data set anew.",
    "leaks": "Look for samples that are alike on both sides of a split.",
    "doctor": "Find out whether a loader keeps up, and what to change.",
}
"""Verb -> its help; the file of the same name has its `command`."""


@click.command("data", cls=Verbs, package=__name__, verbs=_VERBS)
def command() -> None:
    """Drive logs and data sets.

    A LOG is a folder or file in a format we read, the word `synth` for a small generated drive, or a TOML file that
    describes one. A DATASET is a folder, or the name of one under `datasets/` in the home.
    """
