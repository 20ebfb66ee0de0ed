"""Between the finding that ranks hang and the death of one: all write down where they are, and one is blamed."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from drivetrain.core.units import NS_PER_S
from drivetrain.launch.blame import blamed, collectives_begun
from drivetrain.launch.hang import Look
from drivetrain.launch.nodes import Nodes
from drivetrain.ledger import Recorder

_EVIDENCE_NS = 3 * NS_PER_S // 10  # how long ranks have to write down where they are


class Inquiry(Struct, frozen=True):
    """Open until it is known which of the ranks the others wait for.

    Attributes:
      look: at the rank that hangs as far as one can see from outside.
      looks: at all ranks.
      folder: where they write.
      until_ns: when it is closed, monotonic.
    """

    look: Look
    looks: tuple[Look, ...]
    folder: Path
    until_ns: int

    @classmethod
    def begin(
        cls, look: Look, looks: Sequence[Look], *, folder: Path, nodes: Nodes, recorder: Recorder, now_ns: int
    ) -> Inquiry:
        """Record the hang and have all ranks write down where they are."""
        for each in looks:
            recorder.hang(each.rank)
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            nodes.ask_for_evidence(folder)
        nodes.signal(look.rank, signal.SIGCONT)  # a stopped process writes nothing down
        return cls(look, tuple(looks), folder, now_ns + _EVIDENCE_NS)

    def lasted(self, floor_ns: int) -> tuple[int, bool]:
        """How long the hang had lasted when it was found, and whether it recorded things meanwhile."""
        look = self.look
        is_busy = not look.is_stopped and look.silent_ns < floor_ns
        return (look.stepless_ns if is_busy else look.silent_ns), is_busy

    def blamed(self) -> int:
        """The rank to replace, by what they have written."""
        return blamed(self.look, list(self.looks), collectives_begun(self.folder, [each.rank for each in self.looks]))
