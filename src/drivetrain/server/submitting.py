"""A job and the code of a folder -> a job of a server: what `drivetrain submit` does, for Python programs.

`dt.Job(command=("python", "train.py"), gpus=8).submit()`
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from drivetrain.compute.job import Job as AskedJob
from drivetrain.compute.job import job_of
from drivetrain.server.client import FINAL, ChangedError, Client, NoCodeError, connect

logger = logging.getLogger(__name__)

_LOOK_S = 0.2


class Submitted:
    """A job that a server has taken.

    Attributes:
      id: as `drivetrain describe` and the other commands take it.
      record: as the server took it.
    """

    def __init__(self, client: Client, record: dict[str, Any]) -> None:
        self.id, self.record = str(record["id"]), record
        self._client = client

    def __repr__(self) -> str:
        return f"Submitted({self.id!r})"

    def describe(self) -> dict[str, Any]:
        """All that is known of it now: state, reason, attempts and events."""
        return self._client.job(self.id)

    def wait(self) -> str:
        """Wait until it is over: `succeeded`, `failed`, `stopped` or `refused`; also for a server that is away.

        Raises: StoreError: none has answered for a day.
        """
        from drivetrain.server.patient import PatientClient

        client = PatientClient(self._client, lambda why: logger.warning("%s; waiting for it", why))
        while (state := str(client.job(self.id)["state"])) not in FINAL:
            time.sleep(_LOOK_S)
        return state

    def stop(self) -> None:
        """Have it save and leave."""
        self._client.stop(self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(AskedJob):
    """What to run and what it needs: the keys of a job file, as `drivetrain.compute.job.Job` describes them."""

    def __post_init__(self) -> None:
        job_of({each.name: getattr(self, each.name) for each in fields(self)}, where="dt.Job")  # types are checked too

    def submit(self, *, here: bool = False) -> Submitted:
        """Have it run on a cluster, with the code of this folder; without a server one is started for this machine.

        Args:
          here: send no code and run in this folder, which the nodes must see.
        Raises: UsageError: the server refuses it. StoreError: the server does not answer.
        """
        return send(self, here=here)


def send(job: AskedJob, *, here: bool = False, on_progress: Callable[[int, int], None] = lambda *_: None) -> Submitted:
    """Submit a job; of the code of this folder, what the server has not got is sent before.

    Args:
      here: run in this folder as it is, and send nothing.
      on_progress: told how many contents were sent, and of how many.
    """
    from drivetrain.compute.snapshot import take
    from drivetrain.compute.snapshot.listing import root_and_folder

    if here:
        client = connect(starts=True)
        return Submitted(client, client.submit(job, snapshot="", folder=str(Path.cwd())))
    found, folder = root_and_folder()
    root = Path(found)
    manifest = take(root)  # before a server is started for it, which would not wait for long
    client = connect(starts=True)
    for is_last in (False, False, True):
        try:
            return Submitted(client, client.submit(job, snapshot=manifest.id, folder=folder))
        except NoCodeError:
            pass  # send it, then
        try:
            client.send_code(manifest, root, on_progress=on_progress)
            break
        except ChangedError:
            if is_last:
                raise
            manifest = take(root)
    return Submitted(client, client.submit(job, snapshot=manifest.id, folder=folder))
