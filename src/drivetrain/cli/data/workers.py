"""The options of verbs that run a pipeline: who does the work, and with how much memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from drivetrain.cli.options import num_bytes

if TYPE_CHECKING:
    from drivetrain.data.pipeline import How

F = TypeVar("F", bound=Callable[..., Any])
_OPTIONS = (
    click.option("--on", type=click.Choice(["local", "ray"]), default="local", show_default=True, help="Who works."),
    click.option("--address", default="", help="Of a running Ray cluster; else RAY_ADDRESS, else one is started here."),
    click.option("--threads", type=click.IntRange(min=1), help="Workers on this machine; as many as cores by default."),
    click.option("--memory", default="512MiB", show_default=True, help="Most payload under way at once."),
    click.option("--stages", is_flag=True, help="Say where the time went, stage by stage."),
)


def worker_options(command: F) -> F:
    """Give a command `on`, `address`, `threads`, `memory` and `stages`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def how(on: Literal["local", "ray"], address: str, threads: int | None, memory: str) -> How:
    """Who does the work. Results of steps are kept in the home. Raises UsageError: an option cannot be read."""
    from drivetrain.data.pipeline import How
    from drivetrain.store import home

    return How(on, threads or 0, num_bytes("--memory", memory), home() / "cache" / "steps", address)
