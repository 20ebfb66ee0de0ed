"""`drivetrain server`: the control plane of a team, or of this machine."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", default=8400, show_default=True, help="Port to listen at; 0 for a free one.")
@click.option("--database", default="", help="postgresql://USER@HOST/NAME; SQLite in DRIVETRAIN_HOME by default.")
@click.option("--config", "config", type=click.Path(path_type=Path), help="A server.toml with pools.")
@click.option("--url", default="", help="Under which agents of other machines find it.")
@click.option("--certificate", type=click.Path(path_type=Path), help="For TLS.")
@click.option("--private-key", type=click.Path(path_type=Path), help="For TLS.")
@click.option("--until-idle", is_flag=True, help="End when no job is left and none comes; takes a free port.")
def command(
    host: str,
    port: int,
    database: str,
    config: Path | None,
    url: str,
    certificate: Path | None,
    private_key: Path | None,
    until_idle: bool,
) -> None:
    """Take jobs, decide who gets which accelerators when, and run them; until Ctrl-C.

    Jobs go on when it ends, and it finds them again when it comes back. Without --config it has one pool, `local`:
    this machine.
    """
    from drivetrain.server.pools import read_config
    from drivetrain.server.serve import ServeSpec, serve

    spec = ServeSpec(
        host=host,
        port=0 if until_idle else port,
        database=database,
        config=read_config(config),
        url=url,
        certificate=certificate,
        private_key=private_key,
        until_idle=until_idle,
    )
    serve(
        spec,
        on_ready=lambda url: click.echo(f"serving at {url}; Ctrl-C ends it, jobs go on", err=True),
        on_note=lambda text: click.echo(text, err=True),
    )
