"""A group of commands that imports a verb's file only when it is chosen, so that help stays quick."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class Verbs(click.Group):
    """Commands by name: the file of that name in a package has its `command`."""

    def __init__(self, *, package: str, verbs: Mapping[str, str], **settings: Any) -> None:
        """Describe the group.

        Args:
          package: dotted name of where the files are.
          verbs: name -> its help, in the order in which they are listed.
          settings: click's own.
        """
        super().__init__(**settings)
        self._package, self._verbs = package, verbs

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order in which they are listed."""
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import one; None where there is no such command."""
        if cmd_name not in self._verbs:
            return None
        command: click.Command = importlib.import_module(f"{self._package}.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run what was chosen; a reader that has read enough (`| head`) ends it as if it were done."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as exc:
            raise click.exceptions.Exit(0) from exc

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Names and help, with nothing imported."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._verbs.items()))
