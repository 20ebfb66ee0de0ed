"""Folders of checkpoints: what makes one complete, which are there, which one to use, which to delete.

A checkpoint `step-00000050` holds the state before step 50. It is written as `step-00000050.incomplete`; its manifest
names every file with size and hash, is written last, and then the folder gets its name. So a folder with the name is
complete, unless something was altered later, which `verify_checkpoint` finds.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from drivetrain.core.errors import CheckpointError, CheckpointIncomplete
from drivetrain.store.manifests import StoredFile, manifest_json
from drivetrain.store.publish import DISK_HINT, INCOMPLETE, finish_folder

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
DAMAGED = ".damaged"
FORMAT = 1
_NAME = re.compile(r"step-([0-9]{8,})")


@dataclass(frozen=True, slots=True)
class SavedState:
    """Everything that is not a tensor, as plain values.

    Attributes:
      shared: what all ranks have in common.
      ranks: what each rank has of its own, by rank.
    """

    shared: dict[str, Any]
    ranks: list[Any]


@dataclass(frozen=True, slots=True)
class CheckpointManifest:
    """What a checkpoint holds.

    Attributes:
      step: steps finished before it; training goes on with this one.
      world_size: ranks that wrote it.
      tier: what a run resumed from it on as many ranks has with the run that never stopped: `bitwise` the same weights,
        or only the same `samples` at every step, because the number of ranks has changed before.
      made_at_ns: UTC nanoseconds.
      files: by path relative to the folder.
      state: everything that is not a tensor.
      versions: of what wrote it.
      format: of this manifest.
    """

    step: int
    world_size: int
    tier: Literal["bitwise", "samples"]
    made_at_ns: int
    files: dict[str, StoredFile]
    state: SavedState
    versions: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def __post_init__(self) -> None:
        if len(self.state.ranks) != self.world_size:
            raise ValueError(f"it has the state of {len(self.state.ranks)} ranks, but world_size is {self.world_size}")


def checkpoint_folder(checkpoints: Path, step: int) -> Path:
    """Where the checkpoint of a step lies, or will."""
    return checkpoints / f"step-{step:08d}"


def list_checkpoints(checkpoints: Path) -> list[int]:
    """Steps of the checkpoints that have their name, ascending; nothing is opened."""
    if not checkpoints.is_dir():
        return []
    found = (_NAME.fullmatch(path.name) for path in checkpoints.iterdir() if path.is_dir())
    return sorted(int(match[1]) for match in found if match)


def begin_checkpoint(checkpoints: Path, step: int) -> Path:
    """An empty folder to write the checkpoint of a step into; leftovers of killed writers are removed.

    Raises: CheckpointError: the disk would not take it.
    """
    aside = _aside(checkpoints, step)
    try:
        drop_leftovers(checkpoints)
        aside.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise CheckpointError(f"cannot write {aside}: {exc.strerror}", hint=DISK_HINT) from exc
    return aside


def describe_files(folder: Path, names: list[str]) -> dict[str, StoredFile]:
    """Size and hash of files just written; raises OSError."""
    return {name: StoredFile.of(folder / name) for name in names}


def seal_checkpoint(checkpoints: Path, manifest: CheckpointManifest) -> Path:
    """Write the manifest into the folder of `begin_checkpoint`, flush it all and give it its name.

    Raises: CheckpointError: there is one of this step already, or the disk would not take it; then the unfinished
      folder is gone and earlier checkpoints stay.
    """
    aside, path = _aside(checkpoints, manifest.step), checkpoint_folder(checkpoints, manifest.step)
    try:
        (aside / MANIFEST).write_bytes(manifest_json(manifest))
        finish_folder(aside, path)
    except OSError as exc:
        drop_incomplete(checkpoints, manifest.step)
        raise CheckpointError(f"cannot write {aside}: {exc.strerror}", hint=DISK_HINT) from exc
    return path


def drop_incomplete(checkpoints: Path, step: int) -> None:
    """Remove what was written of a checkpoint that is not going to be finished."""
    shutil.rmtree(_aside(checkpoints, step), ignore_errors=True)


def drop_leftovers(checkpoints: Path) -> None:
    """Remove what writers that were killed have left; call it when nobody can be writing."""
    for leftover in checkpoints.glob(f"step-*{INCOMPLETE}"):
        shutil.rmtree(leftover, ignore_errors=True)


def read_checkpoint(path: Path) -> CheckpointManifest:
    """The manifest of a checkpoint folder; opens no other file.

    Raises: CheckpointIncomplete: it is missing or is not what we write.
    """
    try:
        return msgspec.json.decode((path / MANIFEST).read_bytes(), type=CheckpointManifest)
    except (OSError, msgspec.DecodeError) as exc:
        raise CheckpointIncomplete(f"{path / MANIFEST} cannot be read: {exc}", hint=_earlier(path)) from exc


def verify_checkpoint(path: Path) -> CheckpointManifest:
    """Compare every file with the manifest, by size and hash; reads all of them.

    Raises: CheckpointIncomplete: names the first file that is missing or altered.
    """
    manifest = read_checkpoint(path)
    for name, stored in manifest.files.items():
        problem = stored.difference(path / name)
        if problem:
            raise CheckpointIncomplete(
                f"checkpoint of step {manifest.step}: {path / name} {problem}", hint=_earlier(path)
            )
    return manifest


def newest_complete(
    checkpoints: Path, *, on_damaged: Callable[[CheckpointIncomplete], None]
) -> CheckpointManifest | None:
    """The newest checkpoint that is whole, or None.

    Each newer one that is not is told to `on_damaged` and renamed to `step-00000050.damaged`, so that it neither counts
    as one to keep nor stands in the way of a new one.
    """
    for step in reversed(list_checkpoints(checkpoints)):
        path = checkpoint_folder(checkpoints, step)
        try:
            return verify_checkpoint(path)
        except CheckpointIncomplete as exc:
            on_damaged(exc)
            set_aside = path.with_name(path.name + DAMAGED)
            shutil.rmtree(set_aside, ignore_errors=True)
            path.rename(set_aside)
    return None


def retain_checkpoints(checkpoints: Path, keep: int) -> None:
    """Delete all but the newest `keep`; call it when the newest is visible. Each vanishes by name first.

    One that cannot be deleted stays, with a warning in the log: that is no reason to end a training run.
    """
    for step in list_checkpoints(checkpoints)[:-keep]:
        path = checkpoint_folder(checkpoints, step)
        doomed = path.with_name(path.name + INCOMPLETE)
        try:
            path.rename(doomed)
        except OSError as exc:
            logger.warning("%s could not be deleted: %s", path, exc.strerror)
        shutil.rmtree(doomed, ignore_errors=True)


def _aside(checkpoints: Path, step: int) -> Path:
    path = checkpoint_folder(checkpoints, step)
    return path.with_name(path.name + INCOMPLETE)


def _earlier(path: Path) -> str:
    earlier = [step for step in list_checkpoints(path.parent) if path != checkpoint_folder(path.parent, step)]
    if not earlier:
        return "there is no other checkpoint"
    return f"the others are of steps {', '.join(map(str, earlier))}"
