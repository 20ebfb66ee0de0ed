"""What a change did."""

from __future__ import annotations

import click

from drivetrain.bench.history import DEFAULT


@click.command()
@click.argument("before", required=False, metavar="[A")
@click.argument("after", required=False, metavar="[B]]")
@click.option("--history", default=DEFAULT, show_default=True, help="Folder or bucket with the results.")
@click.option("--size", default=2.0, show_default=True, type=click.FloatRange(0, 1000), help="Percent that matter.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(before: str | None, after: str | None, history: str, size: float, as_json: bool) -> None:
    """Say of each case whether B is better than A, worse, or whether one cannot tell yet.

    A and B are commits that one session of `bench run --against` has measured in turns, or files of its results;
    without them the newest such session of each suite is taken. Speed, memory and loss are judged together: a faster
    case whose loss is surely worse is worse.

    Were A and B the same, any of all comparisons would be called better or worse with a chance of at most 5 %.

    Exit codes: 0 compared · 2 no session has measured both · 65 no history.
    """
    import msgspec

    from drivetrain.bench.decide import compare, verdicts_text
    from drivetrain.cli.bench.choosing import chosen_sides, verdicts_json

    sides = chosen_sides(before, after, history)
    verdicts = compare(sides.pairs, size / 100)
    if as_json:
        click.echo(msgspec.json.encode(verdicts_json(verdicts, sides)).decode())
    else:
        click.echo(verdicts_text(verdicts, sides, size / 100))
