"""Text of options becomes values; what cannot be read, or would do nothing, is an error that names the option."""

from __future__ import annotations

import re
from collections.abc import Iterable

import click
from click.core import ParameterSource

from drivetrain.core.errors import UsageError
from drivetrain.core.units import parse_bytes, parse_duration_ns

_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")


def said() -> dict[str, str]:
    """Parameters that the running command was given -> the option, or the argument, as people write it."""
    context = click.get_current_context()
    return {
        str(each.name): each.opts[0] if isinstance(each, click.Option) else str(each.name).upper()
        for each in context.command.params
        if context.get_parameter_source(str(each.name)) is ParameterSource.COMMANDLINE
    }


def refuse_alone(names: Iterable[str], needed: str, *, hint: str = "") -> None:
    """Raises: UsageError: one of these parameters was given, and without what it says something about.

    Args:
      needed: the options of which one has to be there, with ` or ` between them.
    """
    given = said()
    if not set(given.values()) & set(needed.split(" or ")):
        for name in names:
            if name in given:
                raise UsageError(f"{given[name]} is given without {needed}", hint=hint)


def duration_ns(option: str, text: str) -> int:
    """Nanoseconds of a duration such as `60ms`. Raises UsageError: it is none."""
    try:
        return parse_duration_ns(text)
    except ValueError as exc:
        raise UsageError(f"{option}: {exc}") from exc


def num_bytes(option: str, text: str) -> int:
    """Bytes of a size such as `512MiB`. Raises UsageError: it is none."""
    try:
        return parse_bytes(text)
    except ValueError as exc:
        raise UsageError(f"{option}: {exc}") from exc


def width_and_height(option: str, text: str) -> tuple[int, int]:
    """Pixels of a size such as `256x144`. Raises UsageError: it is none."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise UsageError(f"{option} is {text!r}", hint="write width x height in pixels, such as 256x144")
    return int(match[1]), int(match[2])
