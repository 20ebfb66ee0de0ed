"""A run's own checkpoints: which one to go on from, and one more when it is due."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivetrain.core.errors import CheckpointIncomplete, CheckpointUnread, UsageError
from drivetrain.store import CheckpointManifest, LocalShelf, Shelf, Tier, open_shelf, publish_bytes
from drivetrain.store.shelf import ELSEWHERE
from drivetrain.train.checkpoint import Checkpointer
from drivetrain.train.position import Position
from drivetrain.train.session import Session
from drivetrain.train.settings import Checkpoint
from drivetrain.train.state import Parts, Snapshot, collect, division
from drivetrain.train.topology import Topology


class Saving:
    """Joins position, parts and checkpoints of a run. For the training thread.

    Attributes:
      is_watching: whether `look` has something to do.
    """

    def __init__(
        self, choice: Checkpoint, session: Session, topology: Topology, position: Position, parts: Parts
    ) -> None:
        self._choice = choice
        self._recorder = session.recorder
        self._topology = topology
        self._position = position
        self._parts = parts
        self._shelf = _shelf(choice, session, topology)
        self._checkpointer = Checkpointer(
            self._shelf, topology, failures=choice.failures, patience_s=choice.patience_ns / 1e9
        )
        self._tier: Tier = "bitwise"
        self._newest_step = -1
        self._metrics: dict[str, float] = {}
        self._is_prepared = False
        self.is_watching = True

    def resume(self) -> dict[str, Any] | None:
        """Go to the newest good checkpoint, if there is one. Collective.

        Returns: the state of this rank's random number generators, where the number of ranks is still the same.
        Raises:
          UsageError: the checkpoint does not fit this model, or this number of ranks and this loader.
          CheckpointIncomplete: none is whole, and the model is no longer what it was before.
          CheckpointUnread: one that may be whole cannot be read; to begin without it would lose what it holds.
        """
        if self._newest_step >= 0:  # in the middle of a run: what is in flight may be the newest
            self._checkpointer.wait()
            self._tell()
        found = self._load_newest()
        if found is None:
            return None
        manifest, own = found
        self._position.go_to(manifest.step)
        self._newest_step = manifest.step
        self._metrics = dict(manifest.metrics)
        now = division(self._parts.model)
        is_divided_anew = manifest.state.shared.get("division", now) != now
        if own is None or is_divided_anew or manifest.tier == "samples":
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
        """The step of the newest complete checkpoint, 0 without one; looks where they are."""
        return max(self._shelf.steps(), default=0)

    def go_on(self, tier: Tier) -> None:
        """The run goes on from a state that comes from elsewhere; it is not older than the newest checkpoint."""
        self._tier = tier
        self._newest_step = self._topology.on_main(lambda: max(self._shelf.steps(), default=-1))

    def save(self) -> None:
        """Begin to save the present step, unless that is done already. Collective.

        Raises: CheckpointError: on every rank; training cannot go on as if it were saved.
        """
        self._save(is_last=False)

    def finish(self) -> None:
        """Save the present step and wait until it is complete. Collective. Raises CheckpointError: it is not."""
        while not self._is_finished():
            self._newest_step = -1  # its writer was killed: once more
        self._tell()

    def look(self) -> None:
        """Between steps: tell the ledger what has become complete; get ready for the first save. Waits for nothing."""
        if not self._is_prepared:  # the optimizer has its state now, so it is known how much there will be
            self._checkpointer.prepare(self._collect)
            self._is_prepared = True
        self._tell()

    def note(self, metrics: Mapping[str, float]) -> None:
        """What was logged last, for the choice of the best; what is no finite number is never that."""
        name = self._choice.best
        if name in metrics:
            self._metrics = {name: metrics[name]} if math.isfinite(metrics[name]) else {}

    def close(self) -> None:
        """The run has ended well: wait for the save in flight, a minute at most; twice is fine."""
        self._checkpointer.close(at_once=False)
        self._tell()
        self.is_watching = False

    def abandon(self) -> None:
        """The attempt is over: stop the writer; what it has not finished is never seen. Twice is fine."""
        self._checkpointer.close(at_once=True)
        self.is_watching = False

    def _is_finished(self) -> bool:
        self._save(is_last=True)
        with self._recorder.phase("checkpoint"):
            return self._checkpointer.finish()

    def _save(self, *, is_last: bool) -> None:
        step = self._position.step
        if step == self._newest_step:
            return
        with self._recorder.phase("checkpoint"):
            is_made = self._checkpointer.save(
                step,
                self._tier,
                self._collect,
                retention=self._choice.retention,
                metrics=dict(self._metrics),
                must=is_last,
            )
            if is_made and self._choice.wait and not is_last:
                is_made = self._checkpointer.wait()
        if is_made:
            self._newest_step = step
        self._is_prepared = self.is_watching = True
        self._tell()

    def _load_newest(self) -> tuple[CheckpointManifest, dict[str, Any] | None] | None:
        failed: CheckpointIncomplete | None = None
        while True:
            manifest = self._checkpointer.newest()
            if manifest is None:
                if failed is not None:
                    raise failed
                return None
            with self._recorder.phase("restore/checkpoint"):
                self._check_ranks(manifest)
                try:
                    return manifest, self._checkpointer.load(manifest, self._parts)
                except CheckpointUnread:
                    raise
                except CheckpointIncomplete as exc:
                    failed = exc
                    self._checkpointer.set_aside(exc, manifest.step)

    def _tell(self) -> None:
        for sealed in self._checkpointer.completed():
            self._recorder.commit(sealed.step, at_ns=sealed.at_ns)
        self.is_watching = self._checkpointer.is_saving

    def _collect(self) -> Snapshot:
        return collect(self._parts, self._topology.rank, self._topology.device)

    def _check_ranks(self, manifest: CheckpointManifest) -> None:
        if manifest.world_size != self._topology.world_size and not self._parts.feed.exact:
            raise UsageError(
                f"the checkpoint of step {manifest.step} was written by {manifest.world_size} ranks, there are "
                f"{self._topology.world_size} now, and this loader cannot divide its samples anew",
                hint=f"resume on {manifest.world_size} ranks, or use a loader of dt.data",
            )


def _shelf(choice: Checkpoint, session: Session, topology: Topology) -> Shelf:
    folder = session.folder.checkpoints
    if not choice.to:
        return LocalShelf(folder)
    address = f"{choice.to.rstrip('/')}/{session.folder.id}"
    shelf = open_shelf(address, choice.patience_ns / 1e9)
    if topology.rank == 0:
        if isinstance(shelf, LocalShelf):
            _make_folder(shelf.folder)  # told before there is work to lose
        publish_bytes(folder / ELSEWHERE, address.encode())
    return shelf


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise UsageError(
            f"checkpoints cannot be written to {folder}: {exc.strerror}", hint="choose another dt.Checkpoint(to=...)"
        ) from exc
