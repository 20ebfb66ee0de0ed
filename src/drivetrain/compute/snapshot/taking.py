"""A folder -> a manifest: tracked files and those that git does not ignore; hashes are kept while files stay."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec

from drivetrain.compute.snapshot.listing import begin_listing
from drivetrain.compute.snapshot.manifest import MOST_FILES, Entry, Manifest, link_stays_inside
from drivetrain.compute.snapshot.unchanged import changed_ns, remember, settled_ns, statuses
from drivetrain.core.errors import StoreError, UsageError
from drivetrain.core.units import bytes_text
from drivetrain.core.variables import home

MOST_BYTES = 256 << 20
_NUM_NAMED = 5


class _Known(msgspec.Struct, array_like=True):
    """What a file was when its hash was taken."""

    size_bytes: int
    changed_ns: int
    inode: int
    sha256: str


def take(folder: Path, *, most_bytes: int = MOST_BYTES) -> Manifest:
    """Take a snapshot of a folder's code.

    Args:
      folder: in a git repository, its tracked files and those that are not ignored; else all but caches.
      most_bytes: of all files together.
    Raises: UsageError: it is larger (the largest files are named), has no files, is the store, or a link leads out.
    """
    folder = folder.absolute()
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    if home().resolve() == folder.resolve():
        raise UsageError(f"{folder} is the store, which is no code", hint="set DRIVETRAIN_HOME to a folder of its own")
    memory = home() / "snapshots" / (hashlib.sha256(os.fsencode(folder)).hexdigest()[:16] + ".known")
    known = _recalled(memory)
    now: dict[str, _Known] = {}
    old_ns = settled_ns()
    files = statuses(str(folder), begin_listing(str(folder), without=str(home()))())
    links = [_link(folder, path) for path, status in files.items() if _may_travel(path, status, stat.S_ISLNK)]
    pending = [(path, status) for path, status in files.items() if _may_travel(path, status, stat.S_ISREG)]
    _check_size(pending, most_bytes)
    entries = [entry for entry in links if entry is not None]
    for path, status in pending:
        before, marks = known.get(path), _marks(status)
        is_same = before is not None and (before.size_bytes, before.changed_ns, before.inode) == marks
        content = before.sha256 if before is not None and is_same else _hash(folder / path)
        if marks[1] < old_ns:
            now[path] = _Known(*marks, content)
        entries.append(Entry(path, bool(status.st_mode & stat.S_IXUSR), status.st_size, content))
    if now != known:
        _remember(memory, now)
    if not entries:
        raise UsageError(
            f"{folder} has no files that could be sent", hint="are all of them ignored by git? --here sends none"
        )
    manifest = Manifest(tuple(sorted(entries, key=lambda entry: entry.path)))
    remember(str(folder), files, manifest.id, old_ns)
    return manifest


def _marks(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, changed_ns(status), status.st_ino


def _may_travel(path: str, status: os.stat_result, is_kind: Callable[[int], bool]) -> bool:
    if not path.isprintable():  # nor one whose bytes are no text
        raise UsageError(f"the name of {path!r} cannot travel", hint="have git ignore it, or give it another name")
    return is_kind(status.st_mode)


def _link(folder: Path, path: str) -> Entry | None:
    try:
        target = str((folder / path).readlink())
    except OSError:  # gone meanwhile
        return None
    if not link_stays_inside(path, target):
        raise UsageError(
            f"the link {path} leads out of the folder, to {target}: it cannot travel",
            hint="have git ignore it, or put a copy in its place",
        )
    return Entry(path, False, 0, hashlib.sha256(target.encode()).hexdigest(), target)


def _check_size(files: list[tuple[str, os.stat_result]], most_bytes: int) -> None:
    if len(files) > MOST_FILES:
        raise UsageError(f"{len(files)} files are too many to send, expected at most {MOST_FILES}")
    total = sum(status.st_size for _, status in files)
    if total <= most_bytes:
        return
    largest = sorted(files, key=lambda file: -file[1].st_size)[:_NUM_NAMED]
    named = ", ".join(f"{path} ({bytes_text(status.st_size)})" for path, status in largest)
    raise UsageError(
        f"the code is {bytes_text(total)}, expected at most {bytes_text(most_bytes)}; its largest files: {named}",
        hint="have git ignore what the job does not need; data belongs into a data set",
    )


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise StoreError(f"cannot read {path}: {exc.strerror}") from exc


def _recalled(memory: Path) -> dict[str, _Known]:
    try:
        return msgspec.json.decode(memory.read_bytes(), type=dict[str, _Known])
    except (OSError, msgspec.DecodeError):
        return {}


def _remember(memory: Path, known: dict[str, _Known]) -> None:
    from drivetrain.store import make_home, publish_bytes

    make_home()
    try:
        publish_bytes(memory, msgspec.json.encode(known))
    except StoreError:  # it is only quicker with it
        return
