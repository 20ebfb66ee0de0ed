"""Pipelines in Python files are run."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from drivetrain.cli.data.targets import dataset_json, dataset_text, json_text
from drivetrain.cli.data.workers import how, worker_options
from drivetrain.core.errors import DrivetrainError, UsageError

if TYPE_CHECKING:
    from drivetrain.data.pipeline import Outcome, Pipeline


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@worker_options
@click.option("--json", "as_json", is_flag=True, help="Print what was made, what became of the items, and the stages.")
def command(
    file: Path,
    on: Literal["local", "ray"],
    address: str,
    threads: int | None,
    memory: str,
    stages: bool,
    as_json: bool,
) -> None:
    """Run the `pipeline` that a Python file defines: `pipeline = source | op | op | Shards(out)`.

    Finished pieces are kept under `cache/` in the home: a run that was interrupted goes on where it was, and after a
    change only the steps that depend on it run again.
    """
    from drivetrain.cli.progress import bar
    from drivetrain.data.pipeline import run, stage_table

    workers = how(on, address, threads, memory)
    pipeline = _load(file)
    with bar(file.stem, len(pipeline.source.open().items)) as advance:
        outcome = run(pipeline, workers, on_progress=advance)
    if as_json:
        click.echo(json_text(_json(outcome)))
        return
    click.echo(_text(outcome))
    if stages:
        click.echo(stage_table(outcome.stages))


def _load(file: Path) -> Pipeline:
    """Import a file as workers in other processes will: by its name, from its folder."""
    from drivetrain.data.pipeline import Pipeline

    if not file.is_file() or file.suffix != ".py" or not file.stem.isidentifier():
        raise UsageError(f"{file} is no Python file", hint="name one that says `pipeline = source | op | Shards(out)`")
    sys.path.insert(0, str(file.parent.absolute()))
    try:
        module = importlib.import_module(file.stem)
    except DrivetrainError:
        raise
    except Exception as exc:
        raise UsageError(f"{file} cannot be imported: {type(exc).__name__}: {exc}") from exc
    found = getattr(module, "__file__", None)
    if found is None or not Path(found).samefile(file):
        raise UsageError(f"there is another module called {file.stem}: {found}", hint="rename the file")
    pipeline = getattr(module, "pipeline", None)
    if not isinstance(pipeline, Pipeline):
        raise UsageError(f"{file} defines no `pipeline`", hint="write `pipeline = source | op | Shards(out)` in it")
    return pipeline


def _json(outcome: Outcome) -> dict[str, object]:
    from drivetrain.data import DataSet

    made, tally = outcome.made, outcome.tally
    return {
        "made": dataset_json(made) if isinstance(made, DataSet) else str(made),
        "num_items": tally.num_items,
        "num_made": tally.num_made,
        "dropped": dict(tally.dropped),
        "skipped": tally.bad,
        "stages": outcome.stages.to_json(),
    }


def _text(outcome: Outcome) -> str:
    from drivetrain.data import DataSet

    made, tally = outcome.made, outcome.tally
    lines = [dataset_text(made) if isinstance(made, DataSet) else str(made)]
    lines += [f"  dropped    {number} by {op}" for op, number in tally.dropped.items()]
    return "\n".join(lines)
