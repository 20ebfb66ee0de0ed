"""A folder -> a manifest: tracked files and those that git does not ignore; hashes are kept while files stay."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from drivetrain.compute.snapshot.manifest import MOST_FILES, Entry, Manifest, link_stays_inside
from drivetrain.core.errors import StoreError, UsageError
from drivetrain.core.units import NS_PER_S, bytes_text
from drivetrain.core.variables import home

MOST_BYTES = 256 << 20
_NUM_NAMED = 5
_LATELY_NS = 2 * NS_PER_S
"""What changed so lately may change again without any mark of it: clocks of file systems have ticks. Not remembered."""
_LEFT_OUT = {".git", ".drivetrain", ".venv", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
"""Where there is no git to ask."""


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
    Raises: UsageError: it is larger (the largest files are named), has no files, or a link leads out of it.
    """
    folder = folder.absolute()
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    memory = home() / "snapshots" / (hashlib.sha256(os.fsencode(folder)).hexdigest()[:16] + ".known")
    known = _recalled(memory)
    now: dict[str, _Known] = {}
    entries, pending = [], []
    own = f"{home().relative_to(folder)}/" if folder in home().parents else "\0"
    for path in sorted(_files(folder)):
        if path.startswith(own):
            continue  # the store is no code
        found = _look(folder, path)
        if found is None:
            continue
        if isinstance(found, Entry):
            entries.append(found)
        else:
            pending.append((path, found))
    _check_size(pending, most_bytes)
    lately_ns = time.time_ns() - _LATELY_NS
    for path, status in pending:
        before, marks = known.get(path), _marks(status)
        is_same = before is not None and (before.size_bytes, before.changed_ns, before.inode) == marks
        content = before.sha256 if before is not None and is_same else _hash(folder / path)
        if marks[1] < lately_ns:
            now[path] = _Known(*marks, content)
        entries.append(Entry(path, bool(status.st_mode & stat.S_IXUSR), status.st_size, content))
    if now != known:
        _remember(memory, now)
    if not entries:
        raise UsageError(f"{folder} has no files that could be sent", hint="are all of them ignored by git?")
    return Manifest(tuple(sorted(entries, key=lambda entry: entry.path)))


def _marks(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, max(status.st_mtime_ns, status.st_ctime_ns), status.st_ino


def _look(folder: Path, path: str) -> Entry | os.stat_result | None:
    try:
        status = (folder / path).lstat()
    except OSError:  # git knows it, but it is gone
        return None
    if not path.isprintable():  # nor one whose bytes are no text
        raise UsageError(f"the name of {path!r} cannot travel", hint="have git ignore it, or give it another name")
    if stat.S_ISLNK(status.st_mode):
        target = str((folder / path).readlink())
        if not link_stays_inside(path, target):
            raise UsageError(
                f"the link {path} leads out of the folder, to {target}: it cannot travel",
                hint="have git ignore it, or put a copy in its place",
            )
        return Entry(path, False, 0, hashlib.sha256(target.encode()).hexdigest(), target)
    return status if stat.S_ISREG(status.st_mode) else None


def _files(folder: Path) -> Iterator[str]:
    listing = ["git", "-C", str(folder), "ls-files", "-co", "--exclude-standard", "-z"]
    try:
        found = subprocess.run(listing, capture_output=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        yield from _walk(folder)
        return
    yield from {os.fsdecode(name) for name in found.split(b"\0") if name}


def _walk(folder: Path) -> Iterator[str]:
    for above, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        inside = os.path.relpath(above, folder)
        yield from (name if inside == "." else f"{inside}/{name}" for name in names)
        yield from (f"{inside}/{name}" for name in folders if (Path(above) / name).is_symlink())


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
    from drivetrain.store import publish_bytes

    try:
        publish_bytes(memory, msgspec.json.encode(known))
    except StoreError:  # it is only quicker with it
        return
