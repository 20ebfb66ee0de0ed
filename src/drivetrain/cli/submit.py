"""`drivetrain submit`: send a job and its code to a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drivetrain.cli.submit_quickly import tell
from drivetrain.compute.snapshot.listing import root_and_folder
from drivetrain.core.errors import UsageError

if TYPE_CHECKING:
    from drivetrain.compute.job import Job


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--file", "path", type=click.Path(path_type=Path), help="A job.toml; other options outweigh it.")
@click.option("--name", help="What people call it.")
@click.option("--on", "pool", metavar="POOL", help="Where; by default the cheapest pool that can.")
@click.option("--nodes", metavar="N|MIN:MAX", help="Machines; 1 by default.")
@click.option("--gpus", type=float, help="Accelerators of each node; a part of one as a fraction.")
@click.option("--gpu", help="Which kind of accelerator.")
@click.option("--ranks", type=int, help="Processes on each node; by default one an accelerator, or one.")
@click.option("--cpus", type=float, help="Cores of each node.")
@click.option("--memory", help="Of each node, such as 64GB.")
@click.option("--topology", help="Have all nodes share a `rack` or `fabric`, or be one `node`.")
@click.option("--team", help="Whose quota it takes.")
@click.option("--priority", help="low, normal, high, urgent or a number.")
@click.option("--preemptible", is_flag=True, default=None, help="Others of higher priority may take its place.")
@click.option("--max-runtime", help="After which it is stopped, such as 6h.")
@click.option("--deadline", help="When it should be done, from now.")
@click.option("--retries", type=int, help="How often ranks that failed are started again.")
@click.option("--array", help="Tasks, such as 0-99999; the command sees DRIVETRAIN_TASK.")
@click.option("--env", "env", multiple=True, metavar="NAME=VALUE", help="A variable of the command.")
@click.option("--secret", "secrets", multiple=True, metavar="NAME=SOURCE", help="Found on the node: env:X, file:PATH.")
@click.option("--venv", help="Folder of an environment that the nodes have.")
@click.option("--lock", metavar="FILE", help="Have the environment made of this lock file, once a node.")
@click.option("--here", is_flag=True, help="Send no code: run in this folder, which the nodes must see.")
@click.option("--dry-run", is_flag=True, help="Print what would be asked, as JSON; ask nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")
@click.argument("command_line", metavar="-- COMMAND...", nargs=-1, type=click.UNPROCESSED)
def command(
    path: Path | None,
    env: tuple[str, ...],
    secrets: tuple[str, ...],
    here: bool,
    dry_run: bool,
    as_json: bool,
    command_line: tuple[str, ...],
    **given: Any,
) -> None:
    """Have COMMAND run on a cluster, with the code of this folder.

    `drivetrain submit --nodes 2 -- python train.py`

    The code is what git knows and does not ignore. Without a server, one is started for this machine; it ends when
    nothing is left to do.
    """
    job = _job(path, command_line, env, secrets, given)
    if dry_run:
        click.echo(_plan(job, here))
        return
    from drivetrain.cli.progress import late_bar
    from drivetrain.server.submitting import send

    with late_bar("send code") as advance:
        sent = send(job, here=here, on_progress=advance)
    tell(sent.record, as_json=as_json)


def _job(
    path: Path | None, command_line: tuple[str, ...], env: tuple[str, ...], secrets: tuple[str, ...], given: Any
) -> Job:
    from drivetrain.compute.job import job_of, job_values

    values: dict[str, object] = {} if path is None else job_values(path)
    values |= {key: value for key, value in given.items() if value is not None}
    if command_line:
        values["command"] = list(command_line)
    for option, takes, key, pairs in (
        ("--env", "NAME=VALUE", "env", env),
        ("--secret", "NAME=SOURCE", "secrets", secrets),
    ):
        if pairs:
            before = values.get(key, {})
            values[key] = {**(before if isinstance(before, dict) else {}), **_pairs(option, takes, pairs)}
    values.setdefault("command", [])
    return job_of(values, where=str(path or "job"))


def _pairs(option: str, takes: str, pairs: tuple[str, ...]) -> dict[str, str]:
    found = dict(pair.partition("=")[::2] for pair in pairs)
    for pair in pairs:
        if "=" not in pair or pair.startswith("="):
            raise UsageError(f"{option} {pair!r}: expected {takes}")
    return found


def _plan(job: Job, here: bool) -> str:
    import msgspec

    from drivetrain.compute.snapshot import take
    from drivetrain.compute.snapshot.manifest import check_lock

    root, folder = root_and_folder()
    code: dict[str, object] = {"folder": str(Path.cwd())}
    if not here:
        manifest = take(Path(root))
        if job.lock:
            check_lock(manifest, folder, job.lock)
        code = {
            "snapshot": manifest.id,
            "folder": folder,
            "num_files": len(manifest.entries),
            "size_bytes": manifest.size_bytes,
        }
    return json.dumps({"job": msgspec.to_builtins(job), **code}, indent=2)
