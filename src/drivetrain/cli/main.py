"""The command `drivetrain`: a table of verbs, each loaded when chosen, and the place where errors become exit codes."""

from __future__ import annotations

import os
import sys
import traceback

import click

from drivetrain import __version__
from drivetrain.cli.errors import show_error
from drivetrain.cli.verbs import Verbs
from drivetrain.core.errors import DrivetrainError

_VERBS = {
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
    "cost": "Device time and money, by pool, team, user or job.",
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
    cls=Verbs, package="drivetrain.cli", verbs=_VERBS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="drivetrain")
def drivetrain() -> None:
    """From drive logs to a model in the car, with every device-second accounted for.

    Exit codes: 0 done · 1 the work failed · 2 wrong usage · 65 bad input · 69 missing extra · 70 a bug in ours ·
    74 could not write or read back · 130 interrupted.
    """


def main() -> None:
    """Run the command line and exit; a user never sees a bare traceback of ours."""
    _open_standard_streams()
    try:
        code = drivetrain.main(standalone_mode=False) or 0
        sys.stdout.flush()
    except click.ClickException as exc:
        exc.show()
        code = 2
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        code = 130
    except DrivetrainError as exc:
        show_error(exc.message, exc.hint)
        code = exc.exit_code
    except BrokenPipeError:  # `| head` has read enough; click ends so too
        _abandon_output()
        code = 1
    except OSError as exc:
        _abandon_output()
        where = f"{exc.filename}: " if exc.filename else "the output cannot be written: "
        show_error(f"{where}{exc.strerror or exc}")
        code = 74
    except Exception as exc:  # noqa: BLE001 - the edge: whatever comes here is a bug in ours, and is called so
        traceback.print_exc()
        show_error(f"a bug in drivetrain {__version__}: {exc!r}", "report it with the lines above and the command")
        code = 70
    sys.exit(code)


def _abandon_output() -> None:
    """Let Python write to /dev/null what it still holds of our output when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _open_standard_streams() -> None:
    """Give what a caller has closed (`>&-`) to /dev/null, so that no file of ours ever takes the number of one."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
