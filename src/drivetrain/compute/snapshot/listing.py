"""Which files of a folder are its code: those that git knows or does not ignore; without git, all but caches.

Paths are text here, since `drivetrain submit` has no time for `pathlib`.
"""

# ruff: noqa: PTH109, PTH110, PTH114, PTH118, PTH120

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_PATIENCE_S = 60.0
_LEFT_OUT = {".git", ".drivetrain", ".venv", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
"""Where there is no git to ask."""


def root_and_folder() -> tuple[str, str]:
    """The folder whose code is sent, and where in it we are."""
    here = os.getcwd()
    root = git_root(here) or here
    return root, here.removeprefix(root).strip("/")


def git_root(folder: str) -> str | None:
    """The working tree of git that an absolute folder is in; None where it is in none."""
    while not os.path.exists(os.path.join(folder, ".git")):
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above
    return folder


def begin_listing(folder: str, *, without: str) -> Callable[[], list[str]]:
    """Have git begin to look; what is given waits for it, and gives all paths within the folder, in order.

    Args:
      folder: absolute.
      without: a folder that is no code, wherever it lies; absolute.
    """
    if git_root(folder) is None:
        return lambda: _sorted(_walk(folder), folder, without)
    import subprocess

    command = ["git", "-C", folder, "ls-files", "-co", "--exclude-standard", "-z"]
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


def _sorted(paths: Iterable[str], folder: str, without: str) -> list[str]:
    above = folder.rstrip("/") + "/"
    own = f"{without.removeprefix(above)}/" if without.startswith(above) else "\0"
    return sorted(path for path in paths if not path.startswith(own))


def _walk(folder: str) -> Iterator[str]:
    for above, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        inside = os.path.relpath(above, folder)
        yield from (name if inside == "." else f"{inside}/{name}" for name in names)
        yield from (f"{inside}/{name}" for name in folders if os.path.islink(os.path.join(above, name)))
