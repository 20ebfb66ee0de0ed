"""What traces say: where each step's time goes, and what to change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drivetrain.cli.profile.traces import find_traces, reading

if TYPE_CHECKING:
    from drivetrain.report.profile import ProfileStory


@click.command()
@click.argument("targets", nargs=-1, required=True, metavar="TRACE...")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page that needs no network.")
@click.option(
    "--perfetto",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the traces with tracks of findings, steps and idle causes, for ui.perfetto.dev (.json.gz).",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(targets: tuple[str, ...], html: Path | None, perfetto: Path | None, as_json: bool) -> None:
    """Say where the steps of TRACE... spend their time, and what to change.

    A TRACE is a file of PyTorch's profiler (.json, .json.gz), a folder of them, or a run.

    Exit codes: 0 done · 65 a file could not be read; what the others tell is printed before. Of a folder, what is no
    trace is named and left out.
    """
    import msgspec

    from drivetrain.core.errors import DataError
    from drivetrain.report.profile import profile_json, profile_text, unread_text

    paths = find_traces(targets)
    for output in filter(None, (html, perfetto)):
        _check_replaces_none(output, paths)
    story = _read(paths, with_figures=as_json)
    click.echo(msgspec.json.encode(profile_json(story)).decode() if as_json else profile_text(story))
    if html is not None:
        _write_page(html, story, targets)
    if perfetto is not None:
        _write_perfetto(perfetto, story)
    unread = {file: why for file, why in story.unread.items() if file in targets}
    if unread:
        raise DataError("\n       ".join(unread_text(file, why) for file, why in unread.items()))


def _check_replaces_none(output: Path, paths: Sequence[Path]) -> None:
    """Raises UsageError: what is to be written would replace a trace that is read."""
    from drivetrain.core.errors import UsageError

    if output.exists() and any(path.exists() and output.samefile(path) for path in paths):
        raise UsageError(f"{output} is one of the traces", hint="write to another file")


def _write_page(path: Path, story: ProfileStory, targets: Sequence[str]) -> None:
    from drivetrain.core.clock import wall_ns
    from drivetrain.report.profile import profile_page
    from drivetrain.store import publish_bytes

    publish_bytes(path, profile_page(story, _title(story, targets), wall_ns()).encode())
    click.echo(f"wrote {path}", err=True)


def _write_perfetto(path: Path, story: ProfileStory) -> None:
    from drivetrain.cli.progress import bar
    from drivetrain.report.profile import write_perfetto

    with bar("write", sum(process.num_events for process in story.processes)) as advance:
        write_perfetto(path, story, lambda num_events: advance(num_events, "events"))
    click.echo(f"wrote {path}", err=True)


def _title(story: ProfileStory, targets: Sequence[str]) -> str:
    """The run's id, where all is of one run; else names of files or folders."""
    folders = {Path(process.path).parent for process in story.processes}
    folder = folders.pop() if len(folders) == 1 else Path()
    if folder.name == "profile" and (folder.parent / "run.json").is_file():
        return folder.parent.absolute().name
    return ", ".join(Path(one).absolute().name for one in targets[:3])


def _read(paths: Sequence[Path], *, with_figures: bool) -> ProfileStory:
    from drivetrain.core.extras import require

    require("numpy", extra="profile")
    from drivetrain.report.profile import gather_profile

    with reading(paths) as advance:
        return gather_profile(paths, advance, with_figures=with_figures)
