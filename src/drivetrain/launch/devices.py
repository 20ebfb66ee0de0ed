"""Which ranks hold devices, as the ledger is told."""

from __future__ import annotations

from drivetrain.ledger import Recorder


class Devices:
    """One for each rank, from when it is first wanted until there is no such rank any more."""

    def __init__(self, recorder: Recorder) -> None:
        """Holds none."""
        self._recorder = recorder
        self._held: set[int] = set()

    def hold(self, num_ranks: int) -> None:
        """Ranks 0 .. num_ranks have theirs from now on; those that have it keep it."""
        for rank in range(num_ranks):
            if rank not in self._held:
                self._held.add(rank)
                self._recorder.alloc(rank, 1)

    def give_back(self, first: int = 0) -> None:
        """Those of all ranks from this one on."""
        for rank in sorted(rank for rank in self._held if rank >= first):
            self._held.remove(rank)
            self._recorder.release(rank)
