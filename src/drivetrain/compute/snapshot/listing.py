"""Which files of a folder are its code: those that git knows or does not ignore; without git, all but caches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

_PATIENCE_S = 60.0
_LEFT_OUT = {".git", ".drivetrain", ".venv", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
"""Where there is no git to ask."""


def root_and_folder() -> tuple[Path, str]:
    """The folder whose code is sent, and where in it we are."""
    here = Path.cwd()
    root = git_root(here) or here
    inside = here.relative_to(root).as_posix()
    return root, "" if inside == "." else inside


def git_root(folder: Path) -> Path | None:
    """The working tree of git that a folder is in; None where it is in none."""
    return next((above for above in (folder, *folder.parents) if (above / ".git").exists()), None)


def begin_listing(folder: Path, *, without: Path) -> Callable[[], list[str]]:
    """Have git begin to look; what is given waits for it, and gives all paths within the folder, in order.

    Args:
      folder: absolute.
      without: a folder that is no code, wherever it lies.
    """
    if git_root(folder) is None:
        return lambda: _sorted(_walk(folder), folder, without)
    import subprocess

    command = ["git", "-C", str(folder), "ls-files", "-co", "--exclude-standard", "-z"]
    try:
        git = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
    except OSError:
        return lambda: _sorted(_walk(folder), folder, without)

    def finish() -> list[str]:
        with git:
            try:
                found, _ = git.communicate(timeout=_PATIENCE_S)
            except subprocess.TimeoutExpired:
                git.kill()
                found = b""
        if git.returncode:
            return _sorted(_walk(folder), folder, without)
        return _sorted({os.fsdecode(name) for name in found.split(b"\0") if name}, folder, without)

    return finish


def _sorted(paths: Iterator[str] | set[str], folder: Path, without: Path) -> list[str]:
    own = f"{without.relative_to(folder)}/" if folder in without.parents else "\0"
    return sorted(path for path in paths if not path.startswith(own))


def _walk(folder: Path) -> Iterator[str]:
    for above, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        inside = os.path.relpath(above, folder)
        yield from (name if inside == "." else f"{inside}/{name}" for name in names)
        yield from (f"{inside}/{name}" for name in folders if (Path(above) / name).is_symlink())
