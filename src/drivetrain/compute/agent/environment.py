"""The environment that a lock file asks for: made by pip once a node for its content, and used by all jobs that ask."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from drivetrain.core.errors import DataError, StoreError

_PYTHONS = ("python", "python3")
_LIMIT_S = 3600.0
_TOLD_CHARS = 1500
_DONE = "complete"


def environment_of(lock_file: Path, envs: Path) -> Path:
    """The folder of the environment; one that was made halfway is made anew.

    Args:
      lock_file: as pip reads requirements.
      envs: where environments are kept, each by what it is made of: the lock file and this Python.
    Raises: DataError: there is no such file, or pip cannot install what it says. StoreError: the disk is full.
    """
    try:
        content = lock_file.read_bytes()
    except OSError as exc:
        raise DataError(f"the lock file {lock_file.name} cannot be read: {exc.strerror}") from exc
    folder = envs / hashlib.sha256(sys.version.encode() + b"\0" + content).hexdigest()[:32]
    try:
        envs.mkdir(parents=True, exist_ok=True)
        with folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # of several that want it, one makes it and the others wait
            if not (folder / _DONE).exists():
                shutil.rmtree(folder, ignore_errors=True)
                _make(folder, lock_file)
                (folder / _DONE).touch()
    except OSError as exc:
        raise StoreError(f"cannot make an environment in {envs}: {exc.strerror}", hint="is the disk full?") from exc
    return folder


def inside(
    folder: Path, command: tuple[str, ...], variables: Mapping[str, str]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The command and its variables, in an environment: its `python` and its programs first."""
    python = str(folder / "bin" / "python")
    words = (python, *command[1:]) if command[0] in _PYTHONS else command
    path = f"{folder / 'bin'}{os.pathsep}{variables.get('PATH', os.environ.get('PATH', os.defpath))}"
    return words, {**variables, "PATH": path, "VIRTUAL_ENV": str(folder)}


def _make(folder: Path, lock_file: Path) -> None:
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)], lock_file)
    pip = [sys.executable, "-m", "pip", "--python", str(folder), "install", "--quiet", "--no-input"]
    _run([*pip, "--disable-pip-version-check", "--requirement", str(lock_file)], lock_file)


def _run(command: list[str], lock_file: Path) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise DataError(f"the environment of {lock_file.name} was not made within {_LIMIT_S:g} s") from exc
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-_TOLD_CHARS:]
        raise DataError(f"the environment of {lock_file.name} cannot be made: {said}")
