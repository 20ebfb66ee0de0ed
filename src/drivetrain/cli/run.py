"""`drivetrain run`: start ranks, show what they print, restart them, say at the end where their time went."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from drivetrain.cli.errors import show_error
from drivetrain.cli.options import duration_ns
from drivetrain.core import variables
from drivetrain.core.errors import UsageError

if TYPE_CHECKING:
    from drivetrain.launch import LaunchSpec
    from drivetrain.store import RunFolder


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--ranks", metavar="N|MIN:MAX", help="Processes to start, 1 by default; or how few it may go on with.")
@click.option("--nodes", metavar="N|MIN:MAX", default="1", help="Machines, each with --ranks; see --meet.")
@click.option("--meet", default="", help="Give the same name, and the same command, on each node.")
@click.option("--restarts", default=3, show_default=True, type=int, help="Attempts after the first one.")
@click.option("--name", default="", help="What people call the run; its id by default.")
@click.option("--hang-after", default="30s", show_default=True, help="Shortest silence that counts as a hang.")
@click.option("--run", "run_name", help="Continue this run (an id, the beginning of one, or `latest`).")
@click.option("--fault", "faults", multiple=True, help="Plan a failure, such as kill:rank=1,step=48.")
@click.option("--profile", default="", help="Profile steps, such as `steps=20:23 ranks=0,1 memory stacks`.")
@click.option("--dry-run", is_flag=True, help="Print what each rank would be started with, as JSON; start nothing.")
@click.argument("command_line", metavar="-- COMMAND...", nargs=-1, type=click.UNPROCESSED)
def command(
    ranks: str | None,
    nodes: str,
    meet: str,
    restarts: int,
    name: str,
    hang_after: str,
    run_name: str | None,
    faults: tuple[str, ...],
    profile: str,
    dry_run: bool,
    command_line: tuple[str, ...],
) -> None:
    """Start COMMAND as ranks on this machine, watch them, restart them when they fail.

    `drivetrain run --ranks 2 -- python train.py --lr 0.1`

    On each of 1 to 4 machines that share DRIVETRAIN_HOME:
    `drivetrain run --nodes 1:4 --meet job-1 --ranks 8 -- python train.py`

    Each rank finds the environment that torchrun would give it. `python` means the interpreter that runs drivetrain;
    Python scripts and modules are forked from a process that has torch imported already.

    Exit codes: 0 all ranks ended well · 1..125 that of the rank that failed first · 2 wrong usage · 130 Ctrl-C.
    """
    from drivetrain.launch import LaunchSpec, parse_range
    from drivetrain.store import open_run

    run = open_run(run_name) if run_name else None
    if run is not None:
        manifest = run.manifest()
        command_line = command_line or tuple(manifest.command)
        ranks = str(manifest.num_ranks) if ranks is None and not meet else ranks
    min_ranks, num_ranks = parse_range("--ranks", ranks or "1")
    min_nodes, num_nodes = parse_range("--nodes", nodes)
    if num_nodes > 1 and not meet:
        raise UsageError(f"--nodes {nodes} needs a name to meet by", hint=f"--nodes {nodes} --meet job-1, on each node")
    spec = LaunchSpec(
        command=command_line,
        num_ranks=num_ranks,
        min_ranks=min_ranks,
        num_nodes=num_nodes,
        min_nodes=min_nodes,
        restarts=restarts,
        hang_after_ns=duration_ns("--hang-after", hang_after),
        faults=faults,
        profile=profile,
    )
    spec.program()  # what cannot start leaves no run behind
    if dry_run:
        _print_plan(spec, run)
        return
    if run is None and (job := os.environ.get(variables.JOB)) and variables.TASK not in os.environ:
        _say(f"warning: {job} has a run already; this is another, which begins anew whenever the job is started again")
        _say("hint: have the job start its ranks: drivetrain submit --ranks N -- COMMAND")
    if meet:
        sys.exit(_launch_together(spec, meet, name, "" if run is None else run.id))
    else:
        sys.exit(_launch(spec, run or _create(spec, name)))


def _print_plan(spec: LaunchSpec, run: RunFolder | None) -> None:
    from drivetrain.core import ids
    from drivetrain.launch import Launcher, requests_text
    from drivetrain.store import run_folder

    run = run or run_folder(ids.new_id("run"))
    click.echo(requests_text(Launcher(spec, run).plan()))


def _create(spec: LaunchSpec, name: str) -> RunFolder:
    from drivetrain.core import environment
    from drivetrain.store import create_run

    num_ranks = spec.num_ranks * spec.num_nodes
    return create_run(list(spec.command), num_ranks, name=name, environment=environment.capture())


def _launch_together(spec: LaunchSpec, meet: str, name: str, run_id: str) -> int:
    """Lead or follow to the end; returns the exit code."""
    from drivetrain.launch import run_together
    from drivetrain.store import run_folder

    def lead(run_id: str) -> int:
        return _launch(spec, run_folder(run_id) if run_id else _create(spec, name), meet)

    return run_together(meet, spec, lead, run=run_id, on_note=_say)


def _launch(spec: LaunchSpec, run: RunFolder, meet: str = "") -> int:
    """Run to the end; returns the exit code."""
    from drivetrain.launch import Launcher

    _say(f"run {run.id}")
    outcome = Launcher(spec, run, on_note=_say, meet=meet).run()
    if outcome.exit_code:
        show_error(outcome.reason, outcome.hint)
    for line in _profile_lines(run) if spec.profile else ():
        _say(line)
    _say(_account_text(run))
    return outcome.exit_code


def _profile_lines(run: RunFolder) -> list[str]:
    from drivetrain.cli.profile.capture import captured_line
    from drivetrain.store.captures import read_captured

    return [captured_line(captured) for captured in read_captured(run.profile)] or ["none of these steps was profiled"]


def _account_text(run: RunFolder) -> str:
    from drivetrain import ledger
    from drivetrain.core.units import duration_text

    account = ledger.account(run)
    allocated = duration_text(account.allocated_ns)
    return f"goodput {account.goodput_pct:.1f} % of {allocated} device time · drivetrain report {run.id}"


def _say(text: str) -> None:
    click.echo(text, err=True)
