"""The connections between ranks, so that a rank can be torn from a collective or a meeting that waits for a dead peer.

Gloo and the store wait in C++, where no exception of Python's reaches them; what ends such a wait is a connection that
closes. With several ranks left, each waits for another that waits too, and none would close its own.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Sockets:
    """The TCP connections that this process opened while it was watched; `shut` may be called in any thread."""

    def __init__(self) -> None:
        self._known: set[tuple[int, int]] = set()
        self._before: set[tuple[int, int]] | None = None  # what was open when watching began

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Those opened inside the block are ours."""
        self._before = before = _open_sockets()
        try:
            yield
        finally:
            self._known |= _open_sockets() - before
            self._before = None

    def shut(self) -> None:
        """Have all that is ours, or being opened, fail from now on; their owners close them."""
        now, before = _open_sockets(), self._before
        for descriptor, _ in now & self._known if before is None else now - before | now & self._known:
            with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as copy:
                copy.getpeername()  # listening ones stay: gloo would go round for ever over one that is shut
                copy.shutdown(socket.SHUT_RDWR)


def _open_sockets() -> set[tuple[int, int]]:
    """Descriptor and inode of each TCP socket of this process."""
    found = set()
    for path in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):
            kind, _, inode = str(path.readlink()).partition(":")
            if kind == "socket":
                with socket.socket(fileno=os.dup(int(path.name))) as copy:
                    if copy.family in (socket.AF_INET, socket.AF_INET6):
                        found.add((int(path.name), int(inode[1:-1])))
    return found
