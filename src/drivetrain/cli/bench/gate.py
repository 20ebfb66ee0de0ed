"""Whether a change may pass."""

from __future__ import annotations

import sys

import click

from drivetrain.bench.history import DEFAULT

EXIT_CODES = {"PASS": 0, "FAIL": 4, "INSUFFICIENT": 3}


@click.command()
@click.argument("before", required=False, metavar="[A")
@click.argument("after", required=False, metavar="[B]]")
@click.option("--history", default=DEFAULT, show_default=True, help="Folder or bucket with the results.")
@click.option("--size", default=2.0, show_default=True, type=click.FloatRange(0, 1000), help="Percent that matter.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(before: str | None, after: str | None, history: str, size: float, as_json: bool) -> None:
    """Answer PASS, FAIL or INSUFFICIENT, for CI; A and B as for `bench compare`.

    FAIL where any judged metric got worse; PASS where each is surely, at 95 %, not worse by as much as matters; else
    INSUFFICIENT, with the number of runs that would decide. What was not measured never passes.

    Exit codes: 0 PASS · 3 INSUFFICIENT · 4 FAIL · 2 no session has measured both · 65 no history.
    """
    import msgspec

    from drivetrain.bench.decide import compare, gate, gate_text, verdicts_text
    from drivetrain.cli.bench.choosing import chosen_sides, verdicts_json

    sides = chosen_sides(before, after, history)
    verdicts = compare(sides.pairs, size / 100)
    answer = gate(verdicts, len(sides.missing))
    if as_json:
        click.echo(msgspec.json.encode({"answer": answer, **verdicts_json(verdicts, sides)}).decode())
    else:
        click.echo(verdicts_text(verdicts, sides, size / 100))
        click.echo(gate_text(answer, verdicts, sides))
    sys.stdout.flush()
    sys.exit(EXIT_CODES[answer])
