"""Write and read checkpoints, all ranks together: tensors through torch's distributed checkpoint, the rest as JSON.

A save, in this order, so that at any moment the newest checkpoint with a name is complete:
  1. every rank collects its state and tells the others what is plain, or what went wrong;
  2. torch writes each tensor once, shared among the ranks, into `step-N.incomplete`;
  3. every rank hashes the files it wrote;
  4. rank 0 writes the manifest, flushes, renames; then records the commit and deletes the oldest.
When a step fails on one rank, all ranks raise the same CheckpointError and the unfinished folder is removed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.metadata import Metadata, TensorStorageMetadata
from torch.distributed.checkpoint.planner import SavePlan, SavePlanner
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.checkpoint.storage import WriteResult
from torch.futures import Future

from drivetrain.core import clock
from drivetrain.core.errors import CheckpointError, CheckpointIncomplete
from drivetrain.store import DISK_HINT, CheckpointManifest, SavedState, StoredFile
from drivetrain.store import checkpoints as layout
from drivetrain.train import state
from drivetrain.train.settings import Tier
from drivetrain.train.state import Parts, Snapshot
from drivetrain.train.topology import Topology
from drivetrain.train.trees import Tensors, join
from drivetrain.train.unpickler import SafeReader, read_metadata


class Checkpointer:
    """A run's checkpoints. All methods are collective."""

    def __init__(self, folder: Path, topology: Topology) -> None:
        self._folder = folder
        self._topology = topology

    def save(self, step: int, tier: Tier, collect: Callable[[], Snapshot]) -> None:
        """Write the checkpoint of a step; returns when it is complete and visible.

        Raises: CheckpointError: on every rank; those written before stay as they were.
        """
        snapshot, own = self._collected(step, collect)
        try:
            aside = self._topology.on_main(lambda: layout.begin_checkpoint(self._folder, step))
            self._write(step, aside, snapshot.tensors)
            files = self._describe(step, aside)
            manifest = CheckpointManifest(
                step=step,
                world_size=self._topology.world_size,
                tier=tier,
                made_at_ns=clock.wall_ns(),
                files=files,
                state=SavedState(snapshot.shared, own),
                versions={"torch": str(torch.__version__)},
            )
            self._topology.on_main(lambda: str(layout.seal_checkpoint(self._folder, manifest)))
        except BaseException:
            if self._topology.rank == 0:
                layout.drop_incomplete(self._folder, step)
            raise

    def newest(self) -> CheckpointManifest | None:
        """The newest complete checkpoint, the same on every rank; rank 0 warns of newer ones that are not."""
        return self._topology.on_main(lambda: layout.newest_complete(self._folder, on_damaged=_warn))

    def load(self, manifest: CheckpointManifest, parts: Parts) -> dict[str, Any] | None:
        """Put the shared state back into `parts`.

        Returns: this rank's own state, or None when the number of ranks has changed.
        Raises:
          CheckpointIncomplete: a file cannot be read.
          UsageError: model or optimizer are not those that were saved.
        """
        folder = layout.checkpoint_folder(self._folder, manifest.step)
        metadata = read_metadata(folder)
        is_same_size = manifest.world_size == self._topology.world_size
        tensors = _allocate(metadata, f"rank/{self._topology.rank}/" if is_same_size else None)
        tensors.update(state.in_place(parts, tensors))
        try:
            with _alone_is_fine():
                load(tensors, storage_reader=SafeReader(folder, metadata), no_dist=self._topology.world_size == 1)
        except CheckpointException as exc:
            raise CheckpointIncomplete(f"checkpoint of step {manifest.step}: {_first(exc)}") from exc
        try:
            state.restore(parts, manifest.state.shared, tensors)
            return join(manifest.state.ranks[self._topology.rank], tensors) if is_same_size else None
        except KeyError as exc:
            raise CheckpointIncomplete(f"the manifest of the checkpoint of step {manifest.step} lacks {exc}") from exc

    def _collected(self, step: int, collect: Callable[[], Snapshot]) -> tuple[Snapshot, list[Any]]:
        snapshot, error = None, ""
        try:
            snapshot = collect()
        except Exception as exc:  # noqa: BLE001 - the others wait: whatever it is, they must hear of it
            error = f"{type(exc).__name__}: {exc}"
        own = self._agreed(step, None if snapshot is None else snapshot.own, error)
        assert snapshot is not None
        return snapshot, own

    def _write(self, step: int, aside: Path, tensors: Tensors) -> None:
        try:
            with _alone_is_fine():
                save(tensors, storage_writer=_Writer(str(aside)), no_dist=self._topology.world_size == 1)
        except CheckpointException as exc:
            raise CheckpointError(f"checkpoint of step {step} was not written: {_first(exc)}", hint=DISK_HINT) from exc

    def _describe(self, step: int, aside: Path) -> dict[str, StoredFile]:
        rank = self._topology.rank
        files, error = {}, ""
        try:
            names = [path.name for path in aside.glob(f"__{rank}_*")]
            files = layout.describe_files(aside, names + [".metadata"] * (rank == 0))
        except OSError as exc:
            error = str(exc)
        per_rank = self._agreed(step, files, error)
        return {name: stored for files in per_rank for name, stored in sorted(files.items())}

    def _agreed(self, step: int, value: Any, error: str) -> list[Any]:
        """Every rank's value, or the first error of any of them, on all."""
        outcomes = self._topology.gather((value, error))
        for rank, (_, failure) in enumerate(outcomes):
            if failure:
                raise CheckpointError(f"checkpoint of step {step} was not written: rank {rank}: {failure}")
        return [value for value, _ in outcomes]


class _Writer(FileSystemWriter):
    """Torch's writer, that says what the system said and not what torch found odd afterwards."""

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        """Write this rank's part; raises OSError when the disk would not take it."""
        try:
            return super().write_data(plan, planner)
        except Exception as exc:  # noqa: BLE001 - torch wraps what the system said in whatever it found
            cause: BaseException | None = exc
            while cause is not None and not isinstance(cause, OSError):
                cause = cause.__cause__ or cause.__context__
            raise cause or exc from None


def _allocate(metadata: Metadata, own_prefix: str | None) -> Tensors:
    """Room for the shared tensors of a checkpoint and those under one prefix; model and average stay without memory."""
    tensors = {}
    for name, stored in metadata.state_dict_metadata.items():
        if not isinstance(stored, TensorStorageMetadata):
            continue
        if name.startswith("rank/") and (own_prefix is None or not name.startswith(own_prefix)):
            continue
        device = "meta" if name.startswith(("model/", "ema/")) else "cpu"
        tensors[name] = torch.empty(stored.size, dtype=stored.properties.dtype, device=device)
    return tensors


def _first(exc: CheckpointException) -> str:
    """The first failure of a collective save or load, in a line."""
    if not exc.failures:
        return str(exc)
    rank, (cause, _) = min(exc.failures.items(), key=lambda item: item[0])
    return f"rank {rank}: {cause.strerror if isinstance(cause, OSError) else repr(cause)}"


def _warn(damaged: CheckpointIncomplete) -> None:
    warnings.warn(f"not resumed from: {damaged.message}", stacklevel=2)


@contextmanager
def _alone_is_fine() -> Iterator[None]:
    """Without torch's warning that a single process is assumed to be meant as one."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield
