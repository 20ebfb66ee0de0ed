"""The command line as click has it: a table of verbs, each loaded when chosen."""

from __future__ import annotations

import click

from drivetrain import __version__
from drivetrain.cli.verbs import Verbs

VERBS = {
    "demo": "A drive log becomes a trained model and a report.",
    "run": "Start ranks, watch them, restart them, account for them.",
    "resize": "Give a run that is running another number of ranks.",
    "submit": "Have a command run on a cluster, with the code of this folder.",
    "jobs": "List jobs, newest first.",
    "describe": "Tell all about a job: why it waits, what happened.",
    "logs": "Show what a job's ranks print.",
    "stop": "Have jobs save and leave.",
    "resubmit": "Run again exactly what ran.",
    "top": "The fleet now: who has what, who waits, what it yields.",
    "pools": "Pools and nodes: what there is, and what is free.",
    "quota": "What teams own, and who may borrow from whom.",
    "budget": "What teams may spend, and what they have.",
    "cost": "Device time and money, by pool, team, user or job.",
    "users": "Who may do what, by which tokens, and who did it.",
    "server": "Take jobs and run them: the control plane.",
    "report": "Where a run's device time went.",
    "data": "Drive logs and data sets: make, check, show, query.",
    "profile": "Where a step's time goes: profile a run, read its traces.",
    "runs": "List runs, newest first.",
    "checkpoint": "A run's checkpoints: list, verify, export.",
    "tune": "Which optimisations, or which optimizer, a recipe should adopt.",
    "whatif": "What more devices would change, from what runs and waits now.",
    "simulate": "What a scheduling policy would have made of a workload.",
    "bench": "Whether a change helped: measure, compare, gate, detect.",
}
"""Verb -> its help; the file of the same name has its `command`."""


@click.command(
    cls=Verbs, package="drivetrain.cli", verbs=VERBS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="drivetrain")
def drivetrain() -> None:
    """From drive logs to a model in the car, with every device-second accounted for.

    Exit codes: 0 done · 1 the work failed · 2 wrong usage · 65 bad input · 69 missing extra · 70 a bug in ours ·
    74 could not write or read back · 130 interrupted.
    """
