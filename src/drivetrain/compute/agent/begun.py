"""Why an agent that is gone never was one: its python ended before it had claimed its place, and left the reason."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from drivetrain.compute.agent.claim import claim_file

_TOLD_BYTES = 1 << 16
_REASON = re.compile(
    rb"^(?:(?:ModuleNotFoundError|ImportError|SyntaxError): .*"  # as Python ends
    rb"|.*/python[0-9.]*: (?:not found|Permission denied|No such file or directory|cannot execute.*))$",  # as shells do
    re.MULTILINE,
)


def why_not_begun(folder: Path, member: int) -> str:
    """What its python, or who was to start that, said; empty where it was an agent, or nothing tells that it was not.

    Args:
      folder: of the attempt, where engines leave what agents print.
    """
    if claim_file(folder, member).exists():
        return ""
    for log in (f"{member}.log", "slurm.log"):
        with suppress(OSError), (folder / log).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TOLD_BYTES))
            reasons: list[bytes] = _REASON.findall(file.read())
            if reasons:
                return reasons[-1].decode(errors="replace").strip()[:300]
    return ""
