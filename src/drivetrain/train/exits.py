"""An error of ours that nobody caught ends the process with its message and its own exit code, not with a traceback."""

from __future__ import annotations

import sys
from types import TracebackType

from drivetrain.core.errors import DrivetrainError

INTERRUPTED = 130
"""Of Ctrl-C, as shells say it."""


def install() -> None:
    """Take over the last word on uncaught errors of ours; others go to whoever had it before. Twice is fine."""
    if getattr(sys.excepthook, "__module__", "") == __name__:
        return
    earlier = sys.excepthook

    def last_word(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not isinstance(error, DrivetrainError):
            earlier(kind, error, trace)
            return
        print(f"error: {error}", file=sys.stderr, flush=True)
        raise SystemExit(error.exit_code)  # CPython honours it here, and still runs what atexit holds

    sys.excepthook = last_word


def code_of(error: BaseException | None) -> int:
    """What a process that ends with this error exits with."""
    if error is None:
        return 0
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return error.exit_code if isinstance(error, DrivetrainError) else 1
