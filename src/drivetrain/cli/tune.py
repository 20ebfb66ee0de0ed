"""`drivetrain tune`: which training optimisations, or which optimizer, this recipe should adopt."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from drivetrain.bench import Contender, Recipe, Rivalry, Trials, Tuning

_INTERRUPTED = 130


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--ranks", default=1, show_default=True, type=click.IntRange(min=1), help="Processes to start.")
@click.option(
    "--minutes",
    default=5.0,
    show_default=True,
    type=click.FloatRange(min=0.1),
    help="Begin no trial that would end later.",
)
@click.option("--steps", type=click.IntRange(min=10), help="Training steps of each trial; 12 to 400 by default.")
@click.option("--optimizers", help="Compare optimizers to the end of training instead: adamw,muon,schedulefree@3.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.argument("recipe")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(
    ranks: int,
    minutes: float,
    steps: int | None,
    optimizers: str | None,
    as_json: bool,
    recipe: str,
    arguments: tuple[str, ...],
) -> None:
    """Try what could make RECIPE train faster, in short paired trials; the file is not changed.

    `drivetrain tune train.py -- --lr 0.1`

    RECIPE is a Python script that trains with dt.Run; ARGUMENTS are its own. Each change is tried beside the recipe as
    it is, in fresh processes, from the same seeds; step time, memory and loss are reported with intervals. With more
    minutes the intervals get narrower.

    With --optimizers each is compared with the recipe's own, after equally many steps and after equal time, to the end
    of the schedule; `muon@0.5` gives one half of the recipe's learning rate.

    Exit codes: 0 done · 1 the recipe as it is does not run · 2 wrong usage · 130 Ctrl-C, with what was known by then.
    """
    from drivetrain.bench import Contender, Recipe, StoppedError
    from drivetrain.core import ids
    from drivetrain.core.errors import UsageError
    from drivetrain.store import home

    if optimizers is not None and steps is not None:
        raise UsageError("--steps and --optimizers disagree", hint="optimizers are compared to the end of training")
    contenders = [Contender.parse(text) for text in (optimizers or "").split(",")] if optimizers is not None else []
    root = home() / "tune" / ids.new_id("tune")
    command_line = ("python", recipe, *(arguments[1:] if arguments[:1] == ("--",) else arguments))
    try:
        with _progress(60 * minutes, Recipe(command=command_line, num_ranks=ranks, root=root)) as trials:
            result = _compete(trials, minutes, contenders) if contenders else _tune(trials, minutes, steps)
    except StoppedError:
        click.echo("stopped before anything was known", err=True)
        sys.exit(_INTERRUPTED)
    click.echo(_text(result, as_json))
    click.echo(f"the trials lie in {root}", err=True)
    if result.is_stopped:
        sys.exit(_INTERRUPTED)


def _tune(trials: Trials, minutes: float, steps: int | None) -> Tuning:
    from drivetrain.bench import Tuner, look_at_machine

    tuner = Tuner(trials.run, lambda: trials.facts, now_s=time.monotonic, budget_s=60 * minutes)
    return tuner.run(look_at_machine(), steps)


def _compete(trials: Trials, minutes: float, contenders: list[Contender]) -> Rivalry:
    from drivetrain.bench import Arena

    return Arena(trials.run, now_s=time.monotonic, budget_s=60 * minutes).run(contenders)


def _text(result: Tuning | Rivalry, as_json: bool) -> str:
    import msgspec

    from drivetrain.bench import Tuning, rivalry_text, tuning_text

    if as_json:
        return msgspec.json.encode(result).decode()
    return tuning_text(result) if isinstance(result, Tuning) else rivalry_text(result)


@contextmanager
def _progress(budget_s: float, recipe: Recipe) -> Iterator[Trials]:
    """Trials that move a bar of seconds."""
    from drivetrain.bench import Trials
    from drivetrain.cli.progress import bar

    began_s = time.monotonic()
    with bar("tune", round(budget_s)) as advance:
        yield Trials(recipe, lambda note: advance(round(time.monotonic() - began_s), note))
