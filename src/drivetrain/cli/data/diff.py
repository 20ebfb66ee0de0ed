"""How two data sets differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drivetrain.cli.data.targets import existing_dataset, json_text

if TYPE_CHECKING:
    from drivetrain.data.diff import Diff


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print all differences as JSON.")
def command(before: str, after: str, as_json: bool) -> None:
    """Say what changed from A to B: data sets, or versions as DATASET@VERSION.

    Samples that were added, removed or changed, columns, slices, what they were made from, and statistics.
    """
    from drivetrain.data.diff import diff

    found = diff(*(existing_dataset(name, version or None) for name, version in map(_split, (before, after))))
    click.echo(json_text(found.to_json()) if as_json else _text(found))


def _split(target: str) -> tuple[str, str]:
    name, _, version = target.partition("@")
    return name, version


def _text(found: Diff) -> str:
    splits = [", ".join(f"{num} {split}" for split, num in each.items()) for each in found.num_samples]
    lines = [f"{found.before} ({splits[0]}) -> {found.after} ({splits[1]})"]
    for what, num in (("added", found.added), ("removed", found.removed)):
        if num:
            lines.append(f"  {what:<9} {num} samples{_such_as(found.examples[what], num)}")
    for name, num in found.changed.items():
        lines.append(f"  changed   {name} of {num} samples{_such_as(found.examples['changed'], num)}")
    names = {
        "columns added": found.columns_added,
        "columns removed": found.columns_removed,
        "slices": found.slices_changed,
        "logs added": found.inputs_added,
        "logs removed": found.inputs_removed,
        "done": [str(step["op"]) for step in found.steps],
    }
    lines += [f"  {what}: {', '.join(values)}" for what, values in names.items() if values]
    for each in found.numbers:
        lines.append(f"  {each.column}: {_numbers(each.before)} -> {_numbers(each.after)}")
    return "\n".join(lines if len(lines) > 1 else [*lines, "  no difference"])


def _such_as(keys: list[str], num: int) -> str:
    return f", such as {', '.join(keys[:3])}" if num > 3 else f": {', '.join(keys[:3])}"


def _numbers(summary: dict[str, float | None]) -> str:
    if not summary["count"]:
        return "none"
    return f"{summary['count']} of mean {summary['mean']:.6g} in {summary['min']:.6g} .. {summary['max']:.6g}"
