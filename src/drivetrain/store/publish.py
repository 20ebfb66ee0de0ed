"""Whole or invisible: write aside, flush to disk, rename."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from drivetrain.core.errors import StoreError

INCOMPLETE = ".incomplete"
DISK_HINT = "is the disk full or read-only?"
_FEW = 16  # files, up to which each is flushed for itself: 5 ms each here, and 20 ms for a whole file system


def publish_bytes(path: Path, data: bytes) -> None:
    """Write one file so that a reader sees the old content or the new, never a part; parents are made.

    Raises: StoreError: the disk would not take it; the old content stays.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}{INCOMPLETE}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    except OSError as exc:
        with suppress(OSError):
            aside.unlink()
        raise StoreError(f"cannot write {path}: {exc.strerror}", hint=DISK_HINT) from exc


def publish_quickly(path: Path, data: bytes) -> None:
    """Write one file whole, but durable only after `sync_files`: for many of which none counts until all are there.

    Raises: StoreError: the disk would not take it.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}{INCOMPLETE}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(data)
        aside.replace(path)
    except OSError as exc:
        with suppress(OSError):
            aside.unlink()
        raise StoreError(f"cannot write {path}: {exc.strerror}", hint=DISK_HINT) from exc


def sync_files(paths: Sequence[Path]) -> None:
    """Make files and their names durable. Raises: StoreError: the disk would not take them."""
    try:
        if len(paths) > _FEW:
            _sync_file_system(paths[0])
            return
        for path in paths:
            _sync(path)
        for folder in {path.parent for path in paths}:
            _sync(folder)
    except OSError as exc:
        raise StoreError(f"cannot write {paths[0].parent}: {exc.strerror}", hint=DISK_HINT) from exc


@contextmanager
def publish_file(path: Path) -> Iterator[BinaryIO]:
    """Fill a file piece by piece; it appears under its name only when the block ends without an error.

    Yields: a file beside it, open for writing; parents are made.
    Raises: StoreError: the disk would not take the content; what was there under the name stays.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}{INCOMPLETE}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    except BaseException as exc:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        if isinstance(exc, OSError):
            raise StoreError(f"cannot write {path}: {exc.strerror}", hint=DISK_HINT) from exc
        raise


@contextmanager
def publish_folder(path: Path) -> Iterator[Path]:
    """Fill a folder that appears under its name only when the block ends without an error.

    Yields: an empty folder beside it, `NAME.incomplete`, for one writer at a time; a leftover of a killed writer is
      removed first.
    Raises: StoreError: the name is taken, another writer is at it, or the disk would not take the content.
    """
    aside = path.with_name(path.name + INCOMPLETE)
    if path.exists():
        raise StoreError(f"{path} exists already", hint="choose another name, or remove it first")
    try:
        with _held(aside):
            try:
                yield aside
                finish_folder(aside, path)
            except BaseException:
                _remove(aside)
                raise
    except OSError as exc:
        raise StoreError(f"cannot write {path}: {exc.strerror or exc}", hint=DISK_HINT) from exc


@contextmanager
def _held(aside: Path) -> Iterator[None]:
    """Make a folder that nobody else writes while the block runs; the system lets go of it when the process ends."""
    with suppress(FileNotFoundError), _locked(aside):
        import shutil

        shutil.rmtree(aside)
    aside.mkdir(parents=True)
    with _locked(aside):
        yield


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as exc:
        raise StoreError(
            f"{folder} is being written by another process", hint="wait until it is done, or choose another name"
        ) from exc
    finally:
        os.close(descriptor)


@contextmanager
def publish_into(path: Path) -> Iterator[Path]:
    """Fill a folder whose files are then added to another, flushed; what names them must be written after.

    Yields: an empty folder inside it, for one writer at a time.
    Raises: StoreError: the disk would not take them; of those that were added, nothing knows.
    """
    aside = path / f"next{INCOMPLETE}"
    try:
        _remove(aside)
        aside.mkdir()
        yield aside
        for file in sorted(aside.iterdir()):
            _sync(file)
        for file in sorted(aside.iterdir()):
            file.replace(path / file.name)
        sync_folder(path)
    except OSError as exc:
        raise StoreError(f"cannot write to {path}: {exc.strerror or exc}", hint=DISK_HINT) from exc
    finally:
        _remove(aside)


def finish_folder(aside: Path, path: Path) -> None:
    """Flush every file of a finished folder and give it its name; raises OSError."""
    for file in sorted(aside.rglob("*")):
        if file.is_file():
            _sync(file)
    for folder in sorted((p for p in aside.rglob("*") if p.is_dir()), reverse=True):
        sync_folder(folder)
    sync_folder(aside)
    aside.rename(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable; raises OSError."""
    _sync(path)


def _sync_file_system(path: Path) -> None:
    """Flush all that is not yet on the disk, once, which is quicker than many files each for itself."""
    import ctypes

    descriptor = os.open(path, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    """With all that is in it, as far as that can be done."""
    if folder.exists():
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
