"""`drivetrain profile`: a table of verbs over runs and their traces, each in a file of its own, loaded when chosen."""

from __future__ import annotations

import click

from drivetrain.cli.verbs import Verbs

_VERBS = {
    "capture": "Profile the next steps of a run that is running; may be left out before RUN.",
    "report": "What traces say: where each step's time goes, and what to change.",
    "diff": "Why the steps of one trace take longer than those of another.",
}
"""Verb -> its help; the file of the same name has its `command`."""

_OF_A_RUN = "capture"
"""The verb that is meant where none is written: `drivetrain profile RUN --steps 3`."""


class _ProfileVerbs(Verbs):
    """A group whose verb may be left out for a run that is to be profiled."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Write the verb that was left out."""
        is_written = not args or args[0] in (*self.list_commands(ctx), *ctx.help_option_names)
        return super().parse_args(ctx, args if is_written else [_OF_A_RUN, *args])


@click.command("profile", cls=_ProfileVerbs, package=__name__, verbs=_VERBS)
def command() -> None:
    """Where a step's time goes: profile a run while it runs, and read traces of any size.

    `drivetrain profile RUN --steps 3` is short for `drivetrain profile capture RUN --steps 3`.
    """
