"""`drivetrain data`: logs become data sets (`ingest`), logs and data sets are checked (`check`) and shown (`show`)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drivetrain.cli.options import duration_ns, width_and_height
from drivetrain.core.errors import DataError, UsageError
from drivetrain.core.units import bytes_text, duration_text

if TYPE_CHECKING:
    from drivetrain.data import DataSet, Log


@click.group()
def command() -> None:
    """Drive logs and data sets.

    A LOG is a folder in a format we read, the word `synth` for a small generated drive, or a TOML file that describes
    one. A DATASET is a folder, or the name of one under `datasets/` in the home.
    """


@command.command()
@click.argument("log")
@click.option("--out", required=True, help="Name of the new data set, or a path (with a slash) to its folder.")
@click.option("--size", default="256x144", show_default=True, help="Width and height of stored images, pixels.")
@click.option("--tolerance", default="60ms", show_default=True, help="Most time between a frame and its sweep.")
@click.option("--json", "as_json", is_flag=True, help="Print the new data set's manifest.")
def ingest(log: str, out: str, size: str, tolerance: str, as_json: bool) -> None:
    """Make a data set of a log: join by time, project labels, resize, write shards.

    What exists is never overwritten.
    """
    from drivetrain.cli.progress import bar
    from drivetrain.data import build_dataset, open_log

    width, height = width_and_height("--size", size)
    tolerance_ns = duration_ns("--tolerance", tolerance)
    folder = _dataset_folder(out)
    if folder.exists():
        raise UsageError(f"{folder} exists already", hint="choose another --out, or remove it first")
    opened = open_log(log)
    with bar("data set", opened.num_frames) as advance:
        dataset = build_dataset(opened, folder, size=(width, height), tolerance_ns=tolerance_ns, on_progress=advance)
    click.echo(_json(_dataset_json(dataset)) if as_json else _dataset_text(dataset))


@command.command()
@click.argument("target", metavar="LOG|DATASET")
@click.option("--json", "as_json", is_flag=True, help="Print everything that was found as JSON.")
def check(target: str, as_json: bool) -> None:
    """Look for what is wrong: rates, gaps, offsets and poses of a log; every byte of a data set.

    Exit codes: 0 ok, or worth a warning · 65 a check failed.
    """
    from drivetrain.data import DataSet, health_table, open_log
    from drivetrain.data import check as check_log

    folder = _find_dataset(target)
    if folder is not None:
        dataset = DataSet.open(folder, verify=True)
        click.echo(_json(_dataset_json(dataset)) if as_json else f"{folder} is whole")
        return
    report = check_log(open_log(target))
    click.echo(_json(report.to_json()) if as_json else health_table(report))
    if report.verdict == "fail":
        failed = [finding for finding in report.findings if finding.verdict == "fail"]
        raise DataError(f"log {report.log} failed {len(failed)} of {len(report.findings)} checks: {failed[0].text}")


@command.command()
@click.argument("target", metavar="LOG|DATASET")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option(
    "--png", type=click.Path(path_type=Path), help="Write a contact sheet: images, and labels where there are."
)
def show(target: str, as_json: bool, png: Path | None) -> None:
    """Say what is in a log (its streams) or a data set (its splits, inputs and counts)."""
    from drivetrain.data import DataSet, contact_sheet, encode_png, log_sheet, open_log
    from drivetrain.store import publish_bytes

    folder = _find_dataset(target)
    if folder is not None:
        dataset = DataSet.open(folder)
        click.echo(_json(_dataset_json(dataset)) if as_json else _dataset_text(dataset))
        picture = contact_sheet(dataset) if png else None
    else:
        log = open_log(target)
        click.echo(_json(_log_json(log)) if as_json else _log_text(log))
        picture = log_sheet(log) if png else None
    if png is not None and picture is not None:
        publish_bytes(png, encode_png(picture))
        click.echo(f"wrote {png}", err=True)


def _json(value: object) -> str:
    """JSON for people and programs; a number that is not finite becomes null, as JSON has none."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode()


def _dataset_folder(name: str) -> Path:
    """A name without a slash is a data set under the home; anything else is a path."""
    from drivetrain.store import home

    return Path(name) if "/" in name else home() / "datasets" / name


def _find_dataset(target: str) -> Path | None:
    """The folder of a data set, by path or by name; None when the target is no data set."""
    found = [folder for folder in (Path(target), _dataset_folder(target)) if (folder / "manifest.json").is_file()]
    return found[0] if found else None


def _dataset_json(dataset: DataSet) -> dict[str, object]:
    return {"path": str(dataset.path), **asdict(dataset.manifest)}


def _dataset_text(dataset: DataSet) -> str:
    manifest = dataset.manifest
    num_bytes = sum(stored.size_bytes for stored in manifest.files.values())
    splits = ", ".join(f"{count} {split}" for split, count in manifest.num_samples.items())
    lines = [
        f"{dataset.path}",
        f"  version    {manifest.version}, made from {', '.join(f'{k} ({v})' for k, v in manifest.inputs.items())}",
        f"  samples    {splits}; {manifest.width}x{manifest.height} pixels, {manifest.labelled_pct:.1f} % labelled",
        f"  left out   {manifest.num_unmatched} frames with no labelled sweep within "
        f"{duration_text(manifest.tolerance_ns)}, {len(manifest.skipped)} that cannot be used",
        f"  classes    {', '.join(manifest.classes)}",
        f"  files      {len(manifest.files)}, {bytes_text(num_bytes)}",
    ]
    lines += [f"  skipped    {key}: {reason}" for key, reason in manifest.skipped.items()]
    if manifest.unknown_classes:
        lines.append(f"  unlabelled, since the classes are not known: {', '.join(manifest.unknown_classes)}")
    return "\n".join(lines)


def _log_json(log: Log) -> dict[str, object]:
    streams = {
        name: {
            "kind": stream.kind,
            "num_messages": len(stream),
            "num_listed": stream.num_listed,
            "rate_hz": round(stream.rate_hz, 3),
            "first_ns": int(stream.t_ns[0]) if len(stream) else None,
            "last_ns": int(stream.t_ns[-1]) if len(stream) else None,
        }
        for name, stream in sorted(log.streams.items())
    }
    return {
        "log": log.name,
        "source": log.source,
        "streams": streams,
        "intrinsics": {name: asdict(camera) for name, camera in log.intrinsics.items()},
        "classes": {str(number): name for number, name in log.class_names.items()},
    }


def _log_text(log: Log) -> str:
    lines = [f"{log.name} ({log.source})", f"  {'stream':<28} {'kind':<13} {'messages':>9} {'rate':>10}"]
    lines += [
        f"  {name:<28} {stream.kind:<13} {len(stream):>9} {stream.rate_hz:>7.2f} Hz"
        for name, stream in sorted(log.streams.items())
    ]
    lines += [f"  {name}: {lens.width}x{lens.height} pixels" for name, lens in log.intrinsics.items()]
    return "\n".join(lines)
