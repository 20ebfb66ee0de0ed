"""What the kernel does with a process when another one ends."""

from __future__ import annotations

import _ctypes  # `ctypes` itself takes four times as long as this, which agents have not
import os
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PROCESS: int = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # no name means what is loaded
_ADDRESS = _ctypes.dlsym(_PROCESS, "prctl")


def die_with(parent_pid: int) -> None:
    """Be killed when the thread that made this process ends; leave at once when it has ended already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def outlive_parent() -> None:
    """Undo `die_with`."""
    _prctl(_PR_SET_PDEATHSIG, 0)


def adopt_orphans() -> None:
    """Become the parent of whatever a process below this one leaves behind, instead of init, and so know of its end."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    _ctypes.call_function(_ADDRESS, (option, value))
