"""The environment variables that a launcher and its ranks agree on: their names, and how their values are read."""

from __future__ import annotations

import os
import stat

from drivetrain.core.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HOME = "DRIVETRAIN_HOME"  # the store's root
RUN = "DRIVETRAIN_RUN"  # the run's id
JOB = "DRIVETRAIN_JOB"  # the id of the job whose command it is
TASK = "DRIVETRAIN_TASK"  # the number of the task of an array
ATTEMPT = "DRIVETRAIN_ATTEMPT"  # which try of it, from 0
STARTED_NS = "DRIVETRAIN_STARTED_NS"  # when the rank's process began, monotonic
AGAIN = "DRIVETRAIN_AGAIN"  # set in a process that has been a rank of the attempt before
FINISHED_STEP = "DRIVETRAIN_FINISHED_STEP"  # the last step that the rank's process before is known to have finished
GONE_STEP = "DRIVETRAIN_GONE_STEP"  # likewise, of all ranks whose processes are gone
ELASTIC = "DRIVETRAIN_ELASTIC"  # set where the number of ranks may change while they run
LEASE_NS = "DRIVETRAIN_LEASE_NS"  # how long after its last beat the launcher is taken to live
MEETING = "DRIVETRAIN_MEETING"  # HOST:PORT of the store where ranks meet
FAULT = "DRIVETRAIN_FAULT"  # planned failures, see core.faults
PROFILE = "DRIVETRAIN_PROFILE"  # which steps are to be profiled, see core.profiling
_FOLDER = ".drivetrain"
TRIAL = "DRIVETRAIN_TRIAL"  # what a trial run does otherwise, see core.trials


def working_folder() -> str:
    """Where we are, whole. Raises: UsageError: it has been removed."""
    try:
        return os.getcwd()  # noqa: PTH109 - for commands that have no time for `pathlib`
    except FileNotFoundError as exc:
        raise UsageError("the folder that you stand in has been removed", hint="cd to one that is there") from exc


def home() -> Path:
    """The store's root: `DRIVETRAIN_HOME`, or `.drivetrain` here or above, see `home_text`. Raises: UsageError."""
    from pathlib import Path

    return Path(home_text())


def home_text() -> str:
    """The store's root, absolute; for commands that have no time for `pathlib`.

    Without `DRIVETRAIN_HOME` it is the nearest `.drivetrain` from the working directory up to the root of its git
    repository or the user's own folder; where there is none, it is to be made in the working directory.

    Raises: UsageError: it is the URL of a bucket, which a path would take for folders of that name; or see
      `working_folder`.
    """
    if "://" in os.environ.get(HOME, ""):
        raise UsageError(
            f"{HOME} is {os.environ[HOME]}, but must be a folder",
            hint='checkpoints alone go to a bucket: dt.Checkpoint(to="s3://bucket/prefix")',
        )
    here = working_folder()
    path = os.path.join(here, os.environ[HOME]) if os.environ.get(HOME) else _nearest_home(here)  # noqa: PTH118
    return path if ".." in path.split("/") else os.path.normpath(path)  # behind a link, `..` is not what it looks like


def _nearest_home(here: str) -> str:
    """Nobody else's is taken: what lies above a repository or the user's folder may be anybody's, as in /tmp."""
    found, folder, own = "", here, os.path.expanduser("~")  # noqa: PTH111
    while True:
        candidate = f"{folder.rstrip('/')}/{_FOLDER}"
        if not found and _is_own_folder(candidate):
            found = candidate
        if folder == own or os.path.exists(f"{folder}/.git"):  # noqa: PTH110
            return found or f"{here.rstrip('/')}/{_FOLDER}"
        if folder == os.path.dirname(folder):  # noqa: PTH120
            return f"{here.rstrip('/')}/{_FOLDER}"
        folder = os.path.dirname(folder)  # noqa: PTH120


def _is_own_folder(path: str) -> bool:
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def whole_number(env: Mapping[str, str], name: str, default: int) -> int:
    """The value of a variable; `default` where it is unset or empty. Raises UsageError: it is no whole number."""
    text = env.get(name, "")
    if text and not text.isdecimal():
        raise UsageError(f"{name} is {text!r}, but must be a whole number")
    return int(text) if text else default
