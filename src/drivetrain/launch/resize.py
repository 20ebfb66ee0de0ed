"""How a person asks a launcher for another number of ranks: two small files in the run's folder."""

from __future__ import annotations

from contextlib import suppress

from drivetrain.core.errors import StoreError, UsageError
from drivetrain.core.plain_json import decoded, encoded
from drivetrain.launch.claim import is_claimed
from drivetrain.store import RunFolder, publish_bytes


def offer_range(run: RunFolder, min_ranks: int, max_ranks: int) -> None:
    """Say what may be asked for, and forget what was asked of another launcher. For the launcher of the run."""
    run.resize_request.unlink(missing_ok=True)
    with suppress(StoreError):  # a full disk takes the resizing, not the run
        publish_bytes(run.resize_range, encoded([min_ranks, max_ranks]))


def withdraw_range(run: RunFolder) -> None:
    """Take no more requests."""
    for file in (run.resize_range, run.resize_request):
        with suppress(OSError):
            file.unlink(missing_ok=True)


def take_request(run: RunFolder) -> int | None:
    """The number of ranks that was asked for last, once; None when nothing was asked."""
    try:
        text = run.resize_request.read_text(encoding="ascii")
        run.resize_request.unlink()
    except (OSError, UnicodeDecodeError):
        return None
    return int(text) if text.isdecimal() else None


def ask_for(run: RunFolder, num_ranks: int) -> None:
    """Ask the launcher of a run for another number of ranks; it takes some tenths of a second to begin.

    Raises: UsageError: nobody runs it, or it cannot have that many.
    """
    try:
        least, most = decoded(run.resize_range.read_bytes())
    except (OSError, ValueError):
        least = most = 0
    if not is_claimed(run):
        raise UsageError(f"{run.id} is not running", hint=f"drivetrain run --run {run.id} --ranks {num_ranks}")
    if not most:
        raise UsageError(
            f"{run.id} runs with a fixed number of ranks", hint="start it with a range: drivetrain run --ranks 2:8"
        )
    if not least <= num_ranks <= most:
        raise UsageError(f"{run.id} can have {least} to {most} ranks, but was asked for {num_ranks}")
    publish_bytes(run.resize_request, str(num_ranks).encode())
