"""`drivetrain demo`: a drive log becomes a trained model and a report, surviving a killed rank on the way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from drivetrain.core.errors import RunFailedError, UsageError
from drivetrain.core.units import count_text

if TYPE_CHECKING:
    from drivetrain.data import DataSet, Log
    from drivetrain.store import RunFolder

NUM_RANKS = 2
KILLED_RANK = 1
KILLED_AT = 0.4  # of the steps


@click.command()
@click.option("--log", "log_path", type=click.Path(path_type=Path), help="A drive log; a synthetic drive by default.")
@click.option("--steps", default=300, show_default=True, type=click.IntRange(min=10), help="Optimizer updates.")
@click.option("--no-fault", is_flag=True, help="Kill no rank.")
def command(log_path: Path | None, steps: int, no_fault: bool) -> None:
    """Ingest a drive log, check it, make a data set, train on two ranks, survive a kill, account for it.

    At 40 % of the steps rank 1 is killed; the run recovers by itself, to the same weights bit for bit.
    """
    from drivetrain.data import SynthSpec, open_log, synth
    from drivetrain.ledger import account, table
    from drivetrain.report import gather, write_profile_page, write_report

    log = open_log(log_path) if log_path else synth(SynthSpec())
    _heading("ingest", _log_text(log))
    _check(log)
    dataset = _make_dataset(log)
    run = _train(dataset, steps, fault="" if no_fault else f"kill:rank={KILLED_RANK},step={int(steps * KILLED_AT)}")
    _heading("account", "where every device-second went")
    click.echo(_indented(table(account(run))))
    write_profile_page(run)
    story = gather(run)
    for finding in story.findings:
        click.echo(f"\n  {finding.text}\n  {finding.change}")
    _heading("result", "mean IoU on the held-out part, beside two guesses without a model")
    for result in story.results:
        click.echo(f"  {result.name:<24}{result.value:.3f}")
    profile = f"\nprofile   {run.profile_page.as_uri()}" if story.profile_page else ""
    click.echo(f"{profile}\nreport    {write_report(run, story).as_uri()}")


def _check(log: Log) -> None:
    from drivetrain.data import check, health_table

    health = check(log)
    _heading("check", health.verdict)
    click.echo(_indented(health_table(health)))


def _make_dataset(log: Log) -> DataSet:
    from drivetrain.cli.progress import bar
    from drivetrain.core import ids
    from drivetrain.data import build_dataset
    from drivetrain.store import make_home

    with bar("data set", log.num_frames) as advance:
        dataset = build_dataset(log, make_home() / "datasets" / ids.new_id("ds"), on_progress=advance)
    manifest = dataset.manifest
    splits = ", ".join(f"{number} {split}" for split, number in manifest.num_samples.items())
    facts = manifest.facts
    left_out = f"{facts['num_unmatched']} frames without a sweep near in time, {len(facts['skipped'])} damaged"
    _heading("data set", f"{splits}; {facts['labelled_pct']:.0f} % of pixels labelled; {left_out}")
    click.echo(f"  {_near(dataset.path)}")
    return dataset


def _train(dataset: DataSet, steps: int, fault: str) -> RunFolder:
    """Train on two ranks, with a bar drawn from the ranks' journals, so that nothing is printed twice."""
    from drivetrain.cli.progress import bar
    from drivetrain.core import environment
    from drivetrain.launch import Launcher, LaunchSpec, Progress
    from drivetrain.store import create_run

    command_line = ("python", str(_recipe()), str(dataset.path), "--steps", str(steps))
    spec = LaunchSpec(command=command_line, num_ranks=NUM_RANKS, faults=(fault,) if fault else ())
    run = create_run(list(command_line), NUM_RANKS, name="demo", environment=environment.capture())
    _heading("train", f"{NUM_RANKS} ranks, {steps} steps, run {run.id}")
    with bar("train", steps) as advance:

        def show(progress: Progress) -> None:
            scalars = " ".join(f"{name} {value:.3f}" for name, value in progress.scalars.items())
            advance(0 if progress.step is None else progress.step + 1, f"attempt {progress.attempt} {scalars}")

        launcher = Launcher(spec, run, output=lambda *_: None, on_progress=show, on_note=_say)
        outcome = launcher.run()
    if outcome.exit_code:
        raise RunFailedError(outcome.reason, hint=outcome.hint)
    click.echo(f"  finished after {count_text(outcome.num_attempts, 'attempt')}")
    return run


def _recipe() -> Path:
    """The training script: from the wheel, or from the checkout that this package is installed from."""
    package = Path(__file__).resolve().parents[1]
    for path in (package / "_recipes" / "segment.py", package.parents[1] / "recipes" / "segment.py"):
        if path.is_file():
            return path
    raise UsageError(f"recipes/segment.py is missing beside {package}", hint="install drivetrain again")


def _log_text(log: Log) -> str:
    streams = ", ".join(
        f"{len(s)} {s.name} at {s.rate_hz:.1f} Hz" for kind in ("camera", "lidar") for s in log.of_kind(kind)
    )
    return f"{log.name} ({log.source}): {streams}"


def _near(path: Path) -> Path:
    """The path as one would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _heading(stage: str, text: str) -> None:
    click.echo(f"\n{stage:<10}{text}")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())


def _say(text: str) -> None:
    click.echo(f"  {text}")
