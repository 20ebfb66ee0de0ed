"""The id of code that is as it was when its snapshot was last taken, told by what the file system says of its files.

What was changed within two seconds before is not remembered: it may change again without any mark of it, since the
clocks of file systems have ticks.
"""

from __future__ import annotations

import os
import stat
import time
import zlib

from drivetrain.compute.snapshot.listing import begin_listing
from drivetrain.core.variables import home_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LATELY_NS = 2_000_000_000


def changed_ns(status: os.stat_result) -> int:
    """When a file, or what is said of it, was last changed."""
    return max(status.st_mtime_ns, status.st_ctime_ns)


def settled_ns() -> int:
    """What was last changed before this would show if it were changed from now on."""
    return time.time_ns() - _LATELY_NS


def statuses(folder: str, paths: Iterable[str]) -> dict[str, os.stat_result]:
    """Of all that are there; of links, their own; of a repository within, such as a submodule, of the files in it."""
    found = {}
    for path in paths:
        whole = f"{folder}/{path}"  # as text, a thousand paths in a moment
        try:
            status = os.lstat(whole)
        except OSError:  # git knows it, but it is gone
            continue
        if not stat.S_ISDIR(status.st_mode):
            found[path] = status
        elif os.path.lexists(f"{whole}/.git"):  # else nothing was checked out there
            inside = begin_listing(whole.rstrip("/"), without=home_text())()
            found |= {f"{path.rstrip('/')}/{each}": of for each, of in statuses(whole.rstrip("/"), inside).items()}
    return found


def remember(folder: str, files: Mapping[str, os.stat_result], snapshot: str, settled_ns: int) -> None:
    """Keep the id of the code in a folder, unless a file of it may have changed without any mark.

    Args:
      settled_ns: of the moment before the files were looked at.
    """
    from pathlib import Path

    memory = Path(_memory(folder))
    try:
        if any(changed_ns(status) >= settled_ns for status in files.values()):
            memory.unlink(missing_ok=True)
            return
        aside = memory.with_name(f"{memory.name}.{os.getpid()}")
        memory.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(f"{snapshot}\n".encode() + _marks(folder, files))
        aside.replace(memory)
    except OSError:  # it is only quicker with it
        return


def unchanged(folder: str, paths: Iterable[str]) -> str | None:
    """The id of the code in a folder; None where it has to be taken anew."""
    try:
        with open(_memory(folder), "rb") as file:
            snapshot, _, marks = file.read().partition(b"\n")
    except OSError:
        return None
    return snapshot.decode("ascii", "replace") if marks == _marks(folder, statuses(folder, paths)) else None


def _memory(folder: str) -> str:
    return f"{home_text()}/snapshots/{zlib.crc32(os.fsencode(folder)):08x}.last"


def _marks(folder: str, files: Mapping[str, os.stat_result]) -> bytes:
    lines = [os.fsencode(folder)]
    for path, status in files.items():
        marks = f"{status.st_mode} {status.st_size} {changed_ns(status)} {status.st_ino} {path}"
        lines.append(marks.encode(errors="surrogateescape"))
    return b"\0".join(lines)
