"""Readers that installed packages bring: entry points of the group `drivetrain.sources`, each a module or an object.

In a package's pyproject.toml:

    [project.entry-points."drivetrain.sources"]
    ourformat = "our_package.our_format"

One that cannot be loaded, or fails, is named and stands in no other's way.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Protocol, cast

from drivetrain.core.errors import DataError, DrivetrainError
from drivetrain.data.log import Log

GROUP = "drivetrain.sources"


class Source(Protocol):
    """What a reader offers."""

    def recognise(self, path: Path) -> str:
        """Why it cannot read this, or an empty string; quick, whatever is there."""

    def open_log(self, path: Path) -> Log:
        """Open it. Raises DataError: a file in it is missing, damaged or not what it should be."""


def open_with_plugin(path: Path) -> tuple[Log | None, list[str]]:
    """The log, if one of the installed readers takes it; and why those asked before do not.

    Raises: DataError: the reader that takes it cannot open it; what it raised is the cause.
    """
    refusals: list[str] = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            source = cast(Source, point.load())
            why_not = source.recognise(path)
        except Exception as exc:  # noqa: BLE001 - code of others; whatever it raises, the next one is asked
            why_not = f"{_origin(point)} is broken: {type(exc).__name__}: {exc}"
        if not why_not:
            return _opened(source, point, path), refusals
        refusals.append(f"{point.name}: {why_not}")
    return None, refusals


def _opened(source: Source, point: EntryPoint, path: Path) -> Log:
    try:
        return source.open_log(path)
    except DrivetrainError:
        raise
    except Exception as exc:
        raise DataError(
            f"{_origin(point)} failed to open {path}: {type(exc).__name__}: {exc}",
            hint=f"that is a mistake in the reader {point.name}, not in the log",
        ) from exc


def _origin(point: EntryPoint) -> str:
    return f"{point.value} of {point.dist.name}" if point.dist else point.value
