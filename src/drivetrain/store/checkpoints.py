"""What a checkpoint holds, and the folders of the local disk that hold them.

A checkpoint `step-00000050` holds the state before step 50. It is written as `step-00000050.incomplete`; its manifest
names every file with size and hash, is written last, and then the folder gets its name. So a folder with the name is
complete, unless something was altered later, which `verify_checkpoint` finds. In a bucket, where nothing is
renamed, the manifest that is written last makes it visible.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from drivetrain.core.errors import CheckpointError, CheckpointIncomplete, CheckpointUnread
from drivetrain.store.layout import StoredTensor
from drivetrain.store.manifests import StoredFile
from drivetrain.store.publish import DISK_HINT, INCOMPLETE, finish_folder

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
DAMAGED = ".damaged"
FORMAT = 2
UNREAD_HINT = "it may be whole: see that its disk or bucket can be read; or move it away, to go on from an older one"
Tier = Literal["bitwise", "samples"]
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
class Shard:
    """One rank's file of tensors: its size, and of its header size and XXH3-128. The tensors' pieces have their own."""

    size_bytes: int
    header_bytes: int
    header_xxh3: str


@dataclass(frozen=True, slots=True)
class CheckpointManifest:
    """What a checkpoint holds.

    Attributes:
      step: steps finished before it; training goes on with this one.
      world_size: ranks that wrote it.
      tier: what a run resumed from it on as many ranks has with the run that never stopped: `bitwise` the same weights,
        or only the same `samples` at every step, because the number of ranks has changed before.
      made_at_ns: UTC nanoseconds.
      state: everything that is not a tensor.
      finite: whether weights, averages and the optimizer's state hold no infinity and no NaN.
      metrics: what the run had logged last, by name, of what decides which checkpoint is best.
      shards: the files of tensors, by name.
      tensors: by name, and where their pieces are.
      files: other files by path relative to the folder; all there are, in format 1.
      versions: of what wrote it.
      format: of this manifest. 1 held tensors as torch's distributed checkpoint wrote them.
    """

    step: int
    world_size: int
    tier: Tier
    made_at_ns: int
    state: SavedState
    files: dict[str, StoredFile] = field(default_factory=dict)
    finite: bool = True
    metrics: dict[str, float] = field(default_factory=dict)
    shards: dict[str, Shard] = field(default_factory=dict)
    tensors: dict[str, StoredTensor] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    format: int = 1

    def __post_init__(self) -> None:
        if len(self.state.ranks) != self.world_size:
            raise ValueError(f"it has the state of {len(self.state.ranks)} ranks, but world_size is {self.world_size}")
        if self.format > FORMAT:
            raise ValueError(f"it has format {self.format}")

    @property
    def size_bytes(self) -> int:
        """Of all its files but the manifest."""
        files: list[StoredFile | Shard] = [*self.files.values(), *self.shards.values()]
        return sum(file.size_bytes for file in files)


@dataclass(frozen=True, slots=True)
class _Numbered:
    """What a manifest of any format says of itself."""

    format: int


def step_name(step: int) -> str:
    """The name of a step's checkpoint."""
    return f"step-{step:08d}"


def step_of(name: str) -> int | None:
    """The step that a name is of; None when it is no checkpoint's."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else None


def checkpoint_folder(checkpoints: Path, step: int) -> Path:
    """Where the checkpoint of a step lies, or will."""
    return checkpoints / step_name(step)


def list_checkpoints(checkpoints: Path) -> list[int]:
    """Steps of the checkpoints that have their name, ascending; nothing is opened."""
    if not checkpoints.is_dir():
        return []
    found = (step_of(path.name) for path in checkpoints.iterdir() if path.is_dir())
    return sorted(step for step in found if step is not None)


def read_checkpoint(path: Path) -> CheckpointManifest:
    """The manifest of a checkpoint folder; opens no other file.

    Raises: CheckpointIncomplete: it is missing or is not what we write.
    """
    return LocalShelf(path.parent).manifest(int(path.name.partition("-")[2]))


def decode_manifest(content: bytes, where: str, hint: str) -> CheckpointManifest:
    """A manifest from its file's content. Raises CheckpointIncomplete: it is not what we write."""
    try:
        return msgspec.json.decode(content, type=CheckpointManifest)
    except msgspec.DecodeError as exc:
        newer = _newer_format(content)
        if newer is not None:
            raise CheckpointUnread(
                f"{where} has format {newer}, and this Drivetrain reads up to {FORMAT}",
                hint="a newer Drivetrain wrote it: use that one, or start a new run",
            ) from exc
        raise CheckpointIncomplete(f"{where} cannot be read: {exc}", hint=hint) from exc


def _newer_format(content: bytes) -> int | None:
    with suppress(msgspec.DecodeError):
        number = msgspec.json.decode(content, type=_Numbered).format
        return number if number > FORMAT else None
    return None


def others_hint(steps: list[int], step: int) -> str:
    """What there is beside a checkpoint that cannot be used."""
    others = [str(other) for other in steps if other != step]
    return f"the others are of steps {', '.join(others)}" if others else "there is no other checkpoint"


def drop_leftovers(checkpoints: Path) -> None:
    """Remove what writers that were killed have left; call it when nobody can be writing."""
    for leftover in checkpoints.glob(f"step-*{INCOMPLETE}"):
        shutil.rmtree(leftover, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class LocalShelf:
    """A `store.shelf.Shelf` whose checkpoints are folders of the local disk, or of one that all nodes share."""

    folder: Path

    @property
    def address(self) -> str:
        """The folder."""
        return str(self.folder)

    def steps(self) -> list[int]:
        """Steps of complete checkpoints, ascending."""
        return list_checkpoints(self.folder)

    def manifest(self, step: int) -> CheckpointManifest:
        """Of a complete one. Raises CheckpointIncomplete: it is missing or is not what we write."""
        file = checkpoint_folder(self.folder, step) / MANIFEST
        hint = others_hint(self.steps(), step)
        try:
            return decode_manifest(file.read_bytes(), str(file), hint)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as exc:
            raise CheckpointIncomplete(f"{file} cannot be read: {exc.strerror}", hint=hint) from exc
        except OSError as exc:
            raise CheckpointUnread(f"{file} cannot be read: {exc.strerror}", hint=UNREAD_HINT) from exc

    def begin(self, step: int) -> None:
        """Make room for a new one; what killed writers have left is removed. Raises CheckpointError: it cannot."""
        try:
            drop_leftovers(self.folder)
            self._aside(step).mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise self._refused(step, exc) from exc

    def put(self, step: int, name: str, data: memoryview | bytes) -> None:
        """Write a file of an unfinished one, durably, whole or not at all. Raises CheckpointError: it cannot."""
        path = self._aside(step) / name
        aside = path.with_name(f".{name}")
        try:
            with aside.open("wb", buffering=0) as file:
                _write(file.fileno(), memoryview(data))
            aside.rename(path)
        except OSError as exc:
            raise self._refused(step, exc) from exc

    def unfinished(self, step: int, name: str) -> bytes | None:
        """A file of an unfinished one, if it is there."""
        try:
            return (self._aside(step) / name).read_bytes()
        except OSError:
            return None

    def seal(self, step: int, manifest: bytes, leftovers: Mapping[str, object]) -> None:
        """Make an unfinished one complete: without the files of these names, with its manifest.

        Raises: CheckpointError: there is one of this step already, or the disk would not take it; then what was written
          is gone and earlier checkpoints stay.
        """
        aside = self._aside(step)
        try:
            for name in leftovers:
                (aside / name).unlink()
            (aside / MANIFEST).write_bytes(manifest)
            finish_folder(aside, checkpoint_folder(self.folder, step))
        except OSError as exc:
            self.drop_unfinished(step)
            raise self._refused(step, exc) from exc

    def drop_unfinished(self, step: int) -> None:
        """Remove what was written of one that is not going to be finished."""
        shutil.rmtree(self._aside(step), ignore_errors=True)

    def set_aside(self, step: int) -> None:
        """Rename one to `step-00000050.damaged`: it does not count any more and stands in nobody's way."""
        path = checkpoint_folder(self.folder, step)
        aside = path.with_name(path.name + DAMAGED)
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)

    def delete(self, step: int) -> None:
        """Remove one; it vanishes by name first. One that cannot be deleted stays, with a warning in the log."""
        path = checkpoint_folder(self.folder, step)
        doomed = self._aside(step)
        try:
            path.rename(doomed)
        except OSError as exc:
            logger.warning("%s could not be deleted: %s", path, exc.strerror)
        shutil.rmtree(doomed, ignore_errors=True)

    def path(self, step: int, name: str) -> str:
        """Where a file of a complete one is, for messages and for readers of the disk."""
        return str(checkpoint_folder(self.folder, step) / name)

    def open(self, step: int, name: str) -> LocalReader:
        """A file of a complete one. Raises OSError."""
        return LocalReader(os.open(self.path(step, name), os.O_RDONLY | os.O_CLOEXEC))

    def _aside(self, step: int) -> Path:
        path = checkpoint_folder(self.folder, step)
        return path.with_name(path.name + INCOMPLETE)

    def _refused(self, step: int, exc: OSError) -> CheckpointError:
        return CheckpointError(f"cannot write {self._aside(step)}: {exc.strerror}", hint=DISK_HINT)


class LocalReader:
    """An open file. Any thread may read."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size_bytes = os.fstat(descriptor).st_size

    def read_into(self, begin: int, target: memoryview) -> None:
        """Fill `target` with the bytes from `begin` on. Raises OSError; EOFError: the file ends before."""
        while len(target):
            num_read = os.preadv(self._descriptor, [target], begin)
            if not num_read:
                raise EOFError
            begin, target = begin + num_read, target[num_read:]

    def close(self) -> None:
        """Twice is fine."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):
                os.close(descriptor)


def _write(descriptor: int, data: memoryview) -> None:
    while len(data):
        data = data[os.write(descriptor, data[: 8 << 20]) :]
    os.fsync(descriptor)
