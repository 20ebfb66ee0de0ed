"""Which files of a folder are its code: those that git knows or does not ignore; without git, all but caches.

A store is never code, whatever git says: a server's key and tokens lie in it.

Paths are text here, since `drivetrain submit` has no time for `pathlib`.
"""

# ruff: noqa: PTH110, PTH114, PTH118, PTH120

from __future__ import annotations

import os

from drivetrain.core.variables import working_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from drivetrain.core.errors import UsageError

_PATIENCE_S = 60.0
_LEFT_OUT = {".git", ".drivetrain", ".venv", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
"""Where there is no git to ask."""
_STORE, _ALL = "/.drivetrain/", b"*\n"


def root_and_folder() -> tuple[str, str]:
    """The folder whose code is sent, and where in it we are."""
    here = working_folder()
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
    Raises: UsageError, from what is given: git refuses the folder. What it ignores is not to be sent without its word.
    """
    if git_root(folder) is None:
        return lambda: _sorted(_walk(folder), folder, without)
    import subprocess

    command = ["git", "-C", folder, "ls-files", "-co", "--exclude-standard", "-z"]
    try:
        git = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )
    except OSError:
        return lambda: _sorted(_walk(folder), folder, without)

    def finish() -> list[str]:
        with git:
            try:
                found, said = git.communicate(timeout=_PATIENCE_S)
            except subprocess.TimeoutExpired:
                git.kill()
                found, said = b"", b"it takes more than a minute"
        if git.returncode:
            raise _refusal(folder, said.decode(errors="replace"))
        return _sorted({os.fsdecode(name) for name in found.split(b"\0") if name}, folder, without)

    return finish


def _refusal(folder: str, said: str) -> UsageError:
    from drivetrain.core.errors import UsageError

    why = said.strip().partition("\n")[0].removeprefix("fatal: ")
    hint = f"git -C {folder} status says how to mend it; --here sends no code"
    return UsageError(f"git does not say which files of {folder} are code: {why}", hint=hint)


def _sorted(paths: Iterable[str], folder: str, without: str) -> list[str]:
    above = folder.rstrip("/") + "/"
    homes = {each for each in (without, os.path.realpath(without)) if each.startswith(above)}
    own = tuple(f"{each.removeprefix(above)}/" for each in homes)
    return sorted(path for path in paths if not path.startswith(own) and _STORE not in f"/{path}/")


def _walk(folder: str) -> Iterator[str]:
    for above, folders, names in os.walk(folder):
        folders[:] = [n for n in folders if n not in _LEFT_OUT and not _ignores_itself(os.path.join(above, n))]
        inside = os.path.relpath(above, folder)
        found = [*names, *(name for name in folders if os.path.islink(os.path.join(above, name)))]
        yield from (name if inside == "." else f"{inside}/{name}" for name in found)


def _ignores_itself(folder: str) -> bool:
    """Whether git would ignore all that is in it, by its own word: stores of other names, environments."""
    try:
        with open(os.path.join(folder, ".gitignore"), "rb") as file:
            return file.read(len(_ALL) + 1) == _ALL
    except OSError:
        return False
