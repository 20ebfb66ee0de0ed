"""The store's root is made so that git leaves it alone: a server's key and tokens lie in it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from drivetrain.core.variables import home

_DEFAULT_NAME = ".drivetrain"


def make_home() -> Path:
    """The store's root; where it is made now, git takes nothing of it.

    A folder of another name that was there before may hold more than the store: git's view of it stays as it is.
    """
    root = home()
    ignored = root / ".gitignore"
    with suppress(OSError):  # who writes into it will say so
        is_ours = root.name == _DEFAULT_NAME or not root.exists()
        if is_ours and not ignored.exists():
            root.mkdir(parents=True, exist_ok=True)
            ignored.write_text("*\n")
    return root
