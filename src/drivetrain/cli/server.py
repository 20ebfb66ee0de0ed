"""`drivetrain server`: the control plane of a team, or of this machine."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import click

from drivetrain.cli.options import duration_ns, refuse_alone
from drivetrain.core.units import NS_PER_S


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    default=8400,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen at; 0 for a free one.",
)
@click.option("--database", default="", help="postgresql://USER@HOST/NAME; SQLite in DRIVETRAIN_HOME by default.")
@click.option("--config", "config", type=click.Path(path_type=Path), help="A server.toml with pools.")
@click.option("--url", default="", help="Under which agents of other machines find it.")
@click.option("--certificate", type=click.Path(path_type=Path), help="For TLS.")
@click.option("--private-key", type=click.Path(path_type=Path), help="For TLS.")
@click.option("--until-idle", is_flag=True, help="End when no job is left and none comes; a free port, the last pools.")
@click.option("--stop", is_flag=True, help="End the server of this machine; jobs go on.")
@click.option(
    "--token", "user", metavar="USER", help="Make a token for a user of the running server, and show it once."
)
@click.option(
    "--role", type=click.Choice(["viewer", "member", "operator"]), help="Of that user; member, if it is a new one."
)
@click.option("--teams", help="Of that user, with commas; the first is theirs by default.")
@click.option("--lasts", default="30d", show_default=True, help="How long the token is good.")
def command(stop: bool, user: str | None, role: str | None, teams: str | None, lasts: str, **options: Any) -> None:
    """Take jobs, decide who gets which accelerators when, and run them; until Ctrl-C.

    Jobs go on when it ends, and it finds them again when it comes back. Without --config it has one pool, `local`:
    this machine.
    """
    refuse_alone(("role", "teams", "lasts"), "--token", hint="drivetrain server --token USER --role member")
    if stop:
        from drivetrain.server.client import stop_here

        click.echo("the server of this machine has ended; jobs go on" if stop_here() else "no server runs here")
    elif user is not None:
        click.echo(_token(user, role, teams, duration_ns("--lasts", lasts) / NS_PER_S))
    else:
        _serve(**options)


def _token(user: str, role: str | None, teams: str | None, lasts_s: float) -> str:
    """A user who is there stays as he is in what is not said."""
    from drivetrain.cli.users import set_user
    from drivetrain.server.addresses import in_path
    from drivetrain.server.client import connect

    client = connect()
    path = f"/api/users/{in_path('user', user)}"
    set_user(client, user, role, teams)
    token: str = client.ask("POST", f"{path}/tokens", {"label": "by hand", "lasts_s": lasts_s})["token"]
    return token


def _serve(*, config: Path | None, until_idle: bool, port: int, **settings: Any) -> None:
    from drivetrain.server.announced import coming
    from drivetrain.server.here import server_folder
    from drivetrain.store import make_home

    make_home()
    with contextlib.nullcontext() if until_idle else coming(server_folder()) as has_come:
        from drivetrain.server.pools import read_config
        from drivetrain.server.serve import ServeSpec, serve

        pools = None if until_idle and config is None else read_config(config)
        spec = ServeSpec(port=0 if until_idle else port, config=pools, until_idle=until_idle, **settings)

        def ready(url: str) -> None:
            if has_come is not None:
                has_come()
            click.echo(f"serving at {url}; Ctrl-C ends it, jobs go on", err=True)

        serve(spec, on_ready=ready, on_note=lambda text: click.echo(text, err=True))
