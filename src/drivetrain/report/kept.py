"""What the training script kept for the page: pictures within a budget, and results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from drivetrain.figures import Picture, embedded_bytes, jpeg_size

_BUDGET = 1_200_000  # characters of the page for all pictures together
_MOST = 60


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures to show.

    Attributes:
      pictures: in name order, evenly spread over all there are.
      num_kept: how many the run kept.
      num_damaged: how many were chosen but are no whole JPEG.
    """

    pictures: tuple[Picture, ...] = ()
    num_kept: int = 0
    num_damaged: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """One named value, with its unit if it has one."""

    name: str
    value: float | int | str | bool | None
    unit: str = ""


def read_gallery(kept: Path) -> Gallery:
    """The pictures of a run that fit a page; captions come from `captions.json` or the files' names."""
    files = sorted(path for path in kept.rglob("*.jpg") if path.is_file())
    chosen = _within_budget(files)
    captions = _read_captions(kept / "captions.json")
    pictures, num_damaged = [], 0
    for path in chosen:
        name = path.relative_to(kept).as_posix()
        data = path.read_bytes()
        if jpeg_size(data) is None:
            num_damaged += 1
        else:
            pictures.append(Picture(captions.get(name, name.removesuffix(".jpg")), data))
    return Gallery(tuple(pictures), len(files), num_damaged)


def read_results(file: Path) -> tuple[list[Result], str]:
    """The rows of `results.json`, and what is wrong with it or an empty string.

    It is an object of names and plain values, or a list of objects with `name`, `value` and perhaps `unit`.
    """
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return [], ""
    except OSError as exc:
        return [], f"{file.name} cannot be read: {exc.strerror}"
    try:
        found = msgspec.json.decode(data, type=dict[str, float | int | str | bool | None] | list[Result])
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        return [], f"{file.name} is neither an object of names and values nor a list of rows: {exc}"
    return ([Result(name, value) for name, value in found.items()] if isinstance(found, dict) else found), ""


def _within_budget(files: Sequence[Path]) -> list[Path]:
    """Every n-th file, with the smallest n for which all fit."""
    sizes = {path: embedded_bytes(path.stat().st_size) for path in files}
    fitting = [path for path in files if sizes[path] <= _BUDGET]
    for stride in range(1, len(fitting) + 1):
        chosen = fitting[::stride]
        if len(chosen) <= _MOST and sum(sizes[path] for path in chosen) <= _BUDGET:
            return chosen
    return []


def _read_captions(file: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}
