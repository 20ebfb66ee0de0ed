"""A run's own checkpoints: which one to go on from, and one more when it is due."""

from __future__ import annotations

from typing import Any

from drivetrain.core.errors import UsageError
from drivetrain.store import CheckpointManifest, list_checkpoints, retain_checkpoints
from drivetrain.train.checkpoint import Checkpointer
from drivetrain.train.position import Position
from drivetrain.train.session import Session
from drivetrain.train.settings import Checkpoint, Tier
from drivetrain.train.state import Parts, Snapshot, collect
from drivetrain.train.topology import Topology


class Saving:
    """Joins position, parts and checkpoints of a run. All methods are collective."""

    def __init__(
        self, choice: Checkpoint, session: Session, topology: Topology, position: Position, parts: Parts
    ) -> None:
        self._keep = choice.keep
        self._folder = session.folder.checkpoints
        self._recorder = session.recorder
        self._topology = topology
        self._position = position
        self._parts = parts
        self._checkpointer = Checkpointer(self._folder, topology)
        self._tier: Tier = "bitwise"
        self._newest_step = -1

    def resume(self) -> dict[str, Any] | None:
        """Go to the newest complete checkpoint, if there is one.

        Returns: the state of this rank's random number generators, where the number of ranks is still the same.
        Raises: UsageError: the checkpoint does not fit this model, or this number of ranks and this loader.
        """
        manifest = self._checkpointer.newest()
        if manifest is None:
            return None
        with self._recorder.phase("restore/checkpoint"):
            self._check_ranks(manifest)
            own = self._checkpointer.load(manifest, self._parts)
        self._position.go_to(manifest.step)
        self._newest_step = manifest.step
        if own is None or manifest.tier == "samples":
            self._tier = "samples"
        if own is None:
            return None
        self._parts.feed.load(own["feed"])
        random: dict[str, Any] = own["random"]
        return random

    @property
    def tier(self) -> Tier:
        """What the state has with that of a run that never stopped."""
        return self._tier

    @property
    def newest_step(self) -> int:
        """The step of the newest checkpoint that has its name, 0 without one; looks at the disk."""
        return max(list_checkpoints(self._folder), default=0)

    def go_on(self, tier: Tier) -> None:
        """The run goes on from a state that comes from elsewhere; it is not older than the newest checkpoint."""
        self._tier = tier
        self._newest_step = self._topology.share(max(list_checkpoints(self._folder), default=-1))

    def save(self) -> None:
        """Save the present step, unless that is done already; deletes the oldest.

        Raises: CheckpointError: on every rank; training cannot go on as if it were saved.
        """
        step = self._position.step
        if step == self._newest_step:
            return
        with self._recorder.phase("checkpoint"):
            self._checkpointer.save(step, self._tier, self._collect)
            self._newest_step = step
            if self._topology.rank == 0:
                self._recorder.commit(step)
                retain_checkpoints(self._folder, self._keep)

    def _collect(self) -> Snapshot:
        return collect(self._parts, self._topology.rank, self._topology.device)

    def _check_ranks(self, manifest: CheckpointManifest) -> None:
        if manifest.world_size != self._topology.world_size and not self._parts.feed.exact:
            raise UsageError(
                f"the checkpoint of step {manifest.step} was written by {manifest.world_size} ranks, there are "
                f"{self._topology.world_size} now, and this loader cannot divide its samples anew",
                hint=f"resume on {manifest.world_size} ranks, or use a loader of dt.data",
            )
