"""The commits between two results, as git tells them."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_MOST = 20


@dataclass(frozen=True, slots=True)
class Commits:
    """What lies between two commits, the later included.

    Attributes:
      num: how many; None where that cannot be told here.
      newest: `id subject` of up to 20, newest first.
    """

    num: int | None = None
    newest: tuple[str, ...] = ()


def commits_between(before: str, after: str, repository: Path = Path()) -> Commits:
    """The commits that are in `after` and not in `before`; of two equal commits there are none.

    Args:
      before: an id, which words may follow.
      after: likewise.
      repository: any folder of it; where it knows one of the commits not, nothing is told.
    """
    first, second = before.partition(" ")[0], after.partition(" ")[0]
    if not (_COMMIT.fullmatch(first) and _COMMIT.fullmatch(second)):
        return Commits()
    if first == second:
        return Commits(0)
    span = f"{first}..{second}"
    counted = _git(repository, "rev-list", "--count", "--end-of-options", span)
    if counted is None:
        return Commits()
    subjects = _git(repository, "log", f"--max-count={_MOST}", "--format=%h %s", "--end-of-options", span) or ""
    return Commits(int(counted), tuple(subjects.splitlines()))


def _git(repository: Path, *args: str) -> str | None:
    command = ["git", "-C", str(repository), "--no-pager", *args]
    try:
        done = subprocess.run(command, capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", errors="replace").strip() if done.returncode == 0 else None
