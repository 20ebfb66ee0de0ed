"""What a user calls a trace -> files, and how their reading is watched."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from drivetrain.cli.progress import Advance, bar
from drivetrain.core.errors import DataError

_ENDINGS = (".json", ".json.gz")
_MIB = 1 << 20


@contextmanager
def reading(paths: Sequence[Path]) -> Iterator[Advance]:
    """A bar over the MiB of these files; told in bytes."""
    size_bytes = sum(path.stat().st_size for path in paths if path.is_file())
    with bar("read", -(-size_bytes // _MIB)) as advance:
        yield lambda num_bytes, note: advance(-(-num_bytes // _MIB), f"MiB  {note}")


def find_traces(targets: Sequence[str]) -> list[Path]:
    """Files of each target, in order, none of them twice.

    A target is a file, a folder (all `.json` and `.json.gz` in it and below), a run's folder, or a run as
    `drivetrain report` takes it: then the newest profile of each of its ranks.

    Raises: DataError: there is no such file, or a folder or run holds none. UsageError: there is no such run.
    """
    found = [path for target in targets for path in _traces_of(target)]
    return list(dict.fromkeys(found))


def _traces_of(target: str) -> Iterator[Path]:
    path = Path(target)
    if path.is_file():
        yield path
    elif path.is_dir() and not (path / "run.json").is_file():
        files = sorted(file for file in path.rglob("*") if is_trace_name(file.name) and file.is_file())
        if not files:
            raise DataError(f"{target} holds no trace", hint=f"traces end in {' or '.join(_ENDINGS)}")
        yield from files
    elif not path.is_dir() and (os.sep in target or target.endswith(_ENDINGS)):
        raise DataError(f"there is no file {target}")
    else:
        yield from _of_run(target)


def is_trace_name(name: str) -> bool:
    """Whether a file of this name may hold a trace: what is written beside or from one is told by its own endings."""
    other = (".capture.json", "program.json", "findings.json", "run.json", ".perfetto.json.gz", ".perfetto.json")
    return name.endswith(_ENDINGS) and not name.endswith(other)


def _of_run(name: str) -> Iterator[Path]:
    from drivetrain.store import open_run

    run = open_run(name if os.sep not in name else str(Path(name)))
    folder = run.profile
    files = newest_of_each_rank(folder)
    if not files:
        raise DataError(f"{run.id} has no profile", hint=f"drivetrain profile {run.id} --steps 3, while it runs")
    yield from files


def newest_of_each_rank(folder: Path) -> list[Path]:
    """The last trace that each rank has left in a run's profile folder, by rank."""
    newest: dict[str, Path] = {}
    files = [file for file in folder.glob("*.rank-*.steps-*") if is_trace_name(file.name)]
    for file in sorted(files, key=lambda file: (file.stat().st_mtime_ns, file.name)):
        newest[file.name.partition(".rank-")[2].partition(".")[0]] = file
    return [newest[rank] for rank in sorted(newest, key=lambda text: (len(text), text))]
