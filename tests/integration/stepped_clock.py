"""A clock of the machine that tests set, for processes that are started with it: a small library that is preloaded.

The product has no seam for it: what it calls is the system's `clock_gettime`, and that gives another answer.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

_SOURCE = Path(__file__).with_name("stepped_clock.c")


def build(folder: Path) -> Path:
    """Compile the library."""
    library = folder / "stepped_clock.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl"], check=True)
    return library


class SteppedClock:
    """One machine's clock. Args: file: where it is said by how much it is off."""

    def __init__(self, library: Path, file: Path) -> None:
        self._library, self._file = library, file
        file.write_bytes(bytes(8))

    @property
    def env(self) -> Mapping[str, str]:
        """With these variables a process and all Python that it starts has this clock."""
        return {"LD_PRELOAD": str(self._library), "STEPPED_CLOCK": str(self._file)}

    def step(self, ahead_s: float) -> None:
        """Set it, for those that run too: so far ahead of the true one."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("=q", int(ahead_s * 1e9)))
