"""The command `drivetrain`, and the place where errors become exit codes."""

from __future__ import annotations

import os
import sys

from drivetrain import __version__
from drivetrain.core.errors import DrivetrainError


def main() -> None:
    """Run the command line and exit; a user never sees a bare traceback of ours."""
    _open_standard_streams()
    try:
        code = 0 if _is_done_quickly(sys.argv[1:]) else _run()
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = _interrupted()
    except DrivetrainError as exc:
        _show_error(exc.message, exc.hint)
        code = exc.exit_code
    except BrokenPipeError:  # `| head` has read enough
        _abandon_output()
        code = 0
    except OSError as exc:
        _abandon_output()
        where = f"{exc.filename}: " if exc.filename else "the output cannot be written: "
        _show_error(f"{where}{exc.strerror or exc}")
        code = 74
    except Exception as exc:  # noqa: BLE001 - the edge: whatever comes here is a bug in ours, and is called so
        import traceback

        traceback.print_exc()
        _show_error(f"a bug in drivetrain {__version__}: {exc!r}", "report it with the lines above and the command")
        code = 70
    sys.exit(code)


def _is_done_quickly(arguments: list[str]) -> bool:
    """Do what needs nothing of the command line's libraries; whether this was it."""
    if arguments[:1] != ["submit"]:
        return False
    from drivetrain.cli.submit_quickly import submit_quickly

    return submit_quickly(arguments[1:])


def _run() -> int:
    import click

    from drivetrain.cli.group import drivetrain

    try:
        return drivetrain.main(standalone_mode=False) or 0
    except click.ClickException as exc:
        exc.show()
        return 2
    except click.Abort:
        return _interrupted()


def _interrupted() -> int:
    print("interrupted", file=sys.stderr)
    return 130


def _show_error(message: str, hint: str = "") -> None:
    from drivetrain.cli.errors import show_error

    show_error(message, hint)


def _abandon_output() -> None:
    """Let Python write to /dev/null what it still holds of our output when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _open_standard_streams() -> None:
    """Give what a caller has closed (`>&-`) to /dev/null, so that no file of ours ever takes the number of one."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
