"""The code that a suite measures: the working tree, or a commit checked out aside for as long as it is measured."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from drivetrain.core.errors import DataError, UsageError

_GIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Code:
    """What one side measures.

    Attributes:
      commit: its short id; followed by ` with uncommitted changes` where there are some, empty outside a repository.
      paths: where its modules are looked for first.
    """

    commit: str
    paths: tuple[str, ...]


def working_tree(suite: Path) -> Code:
    """The code that lies beside a suite: the `src` of its repository, or its top, or the suite's folder."""
    top = _top(suite)
    if top is None:
        return Code("", (str(suite.parent),))
    commit = _git(top, "rev-parse", "--short=12", "HEAD")
    changed = " with uncommitted changes" if commit and _git(top, "status", "--porcelain", "-uno") else ""
    return Code(commit + changed, _paths(top, top))


@contextmanager
def checked_out(suite: Path, ref: str, folder: Path) -> Iterator[Code]:
    """The code of another commit of a suite's repository, in a folder; the repository itself is left untouched.

    Only what the commit holds is there: nothing that was built or installed beside it.

    Args:
      ref: anything that names a commit: a branch, a tag, `HEAD~3`.
      folder: does not exist yet; whoever gave it removes it.
    Raises:
      UsageError: the suite lies in no repository, or there is no such commit.
      DataError: the commit cannot be read.
    """
    top = _top(suite)
    if top is None:
        raise UsageError(f"{suite} is in no git repository, so there is nothing to measure it against")
    commit = _git(top, "rev-parse", "--verify", "--quiet", "--short=12", "--end-of-options", f"{ref}^{{commit}}")
    if not commit:
        raise UsageError(f"{top} has no commit {ref!r}", hint="name a branch, a tag, or a commit: main, HEAD~1")
    folder.mkdir()
    command = ["git", "-C", str(top), "archive", "--format=tar", commit]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as git:
        assert git.stdout is not None
        try:
            with tarfile.open(fileobj=git.stdout, mode="r|") as tar:
                tar.extractall(folder, filter="data")
        except (tarfile.TarError, OSError) as exc:
            git.kill()
            raise DataError(f"commit {commit} cannot be checked out to {folder}: {exc}") from exc
    yield Code(commit, _paths(folder, top))


def _paths(code: Path, suite_top: Path) -> tuple[str, ...]:
    """The code's own modules first; then the top, where a suite's helpers lie."""
    own = code / "src" if (code / "src").is_dir() else code
    return tuple(dict.fromkeys((str(own), str(suite_top))))


def _top(suite: Path) -> Path | None:
    found = _git(suite.parent, "rev-parse", "--show-toplevel")
    return Path(found) if found else None


def _git(folder: Path, *args: str) -> str:
    """What git says; nothing where it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *args], capture_output=True, text=True, timeout=_GIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
