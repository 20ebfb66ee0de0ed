"""`drivetrain submit` of code that has not changed, to a server that runs: without what takes long to import.

Only plain options are understood here; whatever else there is, the command itself sees to.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VALUES: dict[str, tuple[str, type]] = {
    "--name": ("name", str),
    "--on": ("pool", str),
    "--nodes": ("nodes", str),
    "--gpus": ("gpus", float),
    "--gpu": ("gpu", str),
    "--ranks": ("ranks", int),
    "--cpus": ("cpus", float),
    "--memory": ("memory", str),
    "--team": ("team", str),
    "--priority": ("priority", str),
    "--max-runtime": ("max_runtime", str),
    "--retries": ("retries", int),
}
"""Option -> the name of its value in a job file, and of which type that is."""
FLAGS = {"--preemptible": "preemptible", "--json": "as_json"}


def plain_values(arguments: list[str]) -> dict[str, Any] | None:
    """What plain arguments say, `command` among it; None where something in them is not plain."""
    found: dict[str, Any] = {}
    left = list(arguments)
    while left and left[0].startswith("-"):
        option, equals, value = left.pop(0).partition("=")
        if option == "--" and not equals:
            break
        if option in FLAGS and not equals:
            found[FLAGS[option]] = True
            continue
        if option not in VALUES or not (equals or left):
            return None
        name, kind = VALUES[option]
        try:
            found[name] = kind(value if equals else left.pop(0))
        except ValueError:
            return None
    return {**found, "command": left} if left else None


def submit_quickly(arguments: list[str]) -> bool:
    """Submit, if that can be done quickly; whether it was. Raises: DrivetrainError: the server refuses."""
    values = plain_values(arguments)
    if values is None:
        return False
    from drivetrain.compute.snapshot.listing import begin_listing, root_and_folder
    from drivetrain.core.variables import home_text

    root, folder = root_and_folder()
    listed = begin_listing(root, without=home_text())
    from drivetrain.server.client import NoCodeError, begin_running

    running = begin_running()
    from drivetrain.compute.snapshot.unchanged import unchanged

    snapshot = unchanged(root, listed())
    client = running()
    if client is None or snapshot is None:
        return False
    as_json = values.pop("as_json", False)
    try:
        record = client.submit_values(values, snapshot=snapshot, folder=folder)
    except NoCodeError:
        return False
    tell(record, as_json=as_json)
    return True


def tell(record: dict[str, Any], *, as_json: bool) -> None:
    """Print a job that was submitted. Raises: UsageError: it was refused, since no pool can ever give it."""
    if as_json:
        import json

        print(json.dumps(record))
    if record["state"] == "refused":
        from drivetrain.core.errors import UsageError

        raise UsageError(f"{record['id']} is refused: {record['reason']}")
    if not as_json:
        print(record["id"])
        print(f"follow it with: drivetrain logs -f {record['id']}", file=sys.stderr)
