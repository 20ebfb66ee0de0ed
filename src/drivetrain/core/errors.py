"""What can go wrong, as one short tree. Each error says what happened, the value, what was expected, and what to do.

    DrivetrainError                exit code
    ├── UsageError                 2   a command or call was given something it cannot take
    │   └── ConfigError            2   a configuration key or value is wrong
    ├── DataError                  65  an input is missing, damaged or not what it says it is
    │   ├── SampleError            65  one sample cannot be read (the loader skips and counts these)
    │   └── UnsafePickleError      65  a pickle asked for something other than plain data
    ├── AnomalyError             65  a run's numbers went wrong, and neither skipping nor going back helped
    ├── MissingExtraError          69  an optional dependency is not installed
    ├── LedgerError                70  a ledger contradicts itself: a bug in ours or a file that was edited
    ├── StoreError                 74  something could not be written or read back whole
    │   ├── CheckpointError        74  a checkpoint could not be written (disk full, for one)
    │   └── CheckpointIncomplete   74  a checkpoint lacks a file, or a file is not what the manifest says
    │       └── CheckpointUnread   74  it may be whole, but cannot be read just now, or not by this version
    └── RunFailedError             1   the ranks failed and restarting did not help

Codes past 64 follow sysexits.h; `drivetrain run` does not restart ranks that leave with one of them, because trying
again cannot help. A caller's plain mistake in Python code is a ValueError or TypeError instead.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar


class DrivetrainError(Exception):
    """Anything Drivetrain refuses or fails to do.

    Attributes:
      message: what happened, the value, and what was expected; one sentence or two.
      hint: what to do next, or an empty string.
      exit_code: what the command line exits with.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n\nhint: {self.hint}" if self.hint else self.message


class UsageError(DrivetrainError):
    """A command or call was given something it cannot take."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration key or value is wrong."""


class DataError(DrivetrainError):
    """An input is missing, damaged or not what it says it is."""

    exit_code = 65


class SampleError(DataError):
    """One sample cannot be read; the loader skips and counts these up to its limit."""


class UnsafePickleError(DataError):
    """A pickle asked for something other than plain data, so it was not opened."""


class AnomalyError(DrivetrainError):
    """A run's numbers went wrong, and neither skipping steps nor going back helped or was allowed."""

    exit_code = 65


class MissingExtraError(DrivetrainError):
    """An optional dependency is not installed."""

    exit_code = 69


class LedgerError(DrivetrainError):
    """A ledger contradicts itself."""

    exit_code = 70


class StoreError(DrivetrainError):
    """Something could not be written, or not read back whole."""

    exit_code = 74


class CheckpointError(StoreError):
    """A checkpoint could not be written; those written before stay as they were."""


class CheckpointIncomplete(StoreError):  # noqa: N818 - the state it names is the point
    """A checkpoint lacks a file, or a file is not what its manifest says."""


class CheckpointUnread(CheckpointIncomplete):
    """A checkpoint that may be whole cannot be read just now, or not by this version: nobody may pass it over."""


class RunFailedError(DrivetrainError):
    """The ranks failed, and restarting did not help or was not allowed."""


class AttemptOver(BaseException):
    """The attempt that this rank is part of has ended; the process goes on in the next one.

    Raised inside calls of ours, or anywhere in the main thread when those do not come. Not an Exception, like
    KeyboardInterrupt: a program that catches everything it can handle must not catch this.
    """


PERMANENT_EXIT_CODES = frozenset({2, 65, 69, 70, 74})
"""Exit codes that trying again cannot change."""
