"""What an agent is told: a file in the folder of its attempt, readable by nobody else.

Annotations are types here and not texts of them, which msgspec would have to compile before an agent knows anything.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct, field

from drivetrain.core.errors import DataError, StoreError

_FILE = "assignment.json"


class Assignment(Struct, frozen=True, kw_only=True):
    """Everything that the agents of one attempt need.

    Attributes:
      attempt, job, run: ids; pool: where the attempt is.
      server: URL of the server; token: for it, good for this attempt alone.
      home: the store's root where the server keeps runs; an agent that does not see it sends what ranks write.
      nodes: one a member of the gang, in the order of their ranks.
      least_nodes: with fewer it does not go on.
      ranks: processes of each node.
      command: of the ranks.
      snapshot: id of the code; empty to run in `folder` as it is.
      folder: where ranks run; within the snapshot, where there is one.
      env: variables; secrets: variables whose values are found on the node.
      grace_s: how long ranks have to save and end once the job is told to leave.
      restarts: that the launcher makes by itself before the attempt fails.
      takes_tasks: whether the command is for each task of an array, rather than for ranks.
      venv: of the ranks' python; empty for the agent's own.
      lock: path, from where ranks run, of what their environment is made of; empty for none.
    """

    attempt: str
    job: str
    run: str
    pool: str
    name: str
    server: str
    token: str
    home: str
    nodes: tuple[str, ...]
    least_nodes: int
    ranks: int
    command: tuple[str, ...]
    snapshot: str = ""
    folder: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    restarts: int = 0
    takes_tasks: bool = False
    grace_s: float = 30.0
    venv: str = ""
    lock: str = ""


def write_assignment(folder: Path, assignment: Assignment) -> None:
    """Leave it for the agents, who see it whole or not at all; the same one may be written again."""
    data, path = msgspec.json.encode(assignment), folder / _FILE
    aside = folder / f".{_FILE}.{os.getpid()}"
    try:
        if path.is_file() and path.read_bytes() == data:
            return
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        aside.replace(path)
    except OSError as exc:
        raise StoreError(f"cannot write into {folder}: {exc.strerror}", hint="is the disk full?") from exc


def has_assignment(folder: Path) -> bool:
    """Whether there is one, readable or not."""
    return (folder / _FILE).exists()


def read_assignment(folder: Path) -> Assignment:
    """Read it. Raises: DataError: there is none, or it is none."""
    try:
        return msgspec.json.decode((folder / _FILE).read_bytes(), type=Assignment)
    except (OSError, msgspec.DecodeError) as exc:
        raise DataError(f"{folder} has no assignment for an agent: {exc}") from exc
