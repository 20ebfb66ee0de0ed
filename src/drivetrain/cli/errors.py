"""One look for errors on stderr: what happened, and apart from it what to do next."""

from __future__ import annotations

import click


def show_error(message: str, hint: str = "") -> None:
    """Print an error, and its hint where there is one."""
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"\nhint: {hint}", err=True)
