"""What a profile of a run leaves beside its traces: which steps of whom, what it cost, and the program's arithmetic."""

from __future__ import annotations

from pathlib import Path

import msgspec

_SUFFIX = ".capture.json"
PROGRAM_FILE = "program.json"


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What one step of a run's program computes, and how fast its device could at best.

    Attributes:
      flops_per_step: of the model's forward and backward passes over all samples of a step, on all ranks together; a
        multiplication and an addition are two. Without what is computed again, optimizer and loader.
      peak_flops_per_s: of one device, dense, in `dtype`.
      peak_source: where that comes from.
      dtype: what products of matrices are computed in.
      device: as its maker calls it.
      step: in which that was counted.
    """

    flops_per_step: float
    peak_flops_per_s: float
    peak_source: str
    dtype: str
    device: str
    step: int


class Captured(msgspec.Struct, frozen=True, kw_only=True):
    """One rank's profile, written after all its files are whole.

    Attributes:
      request: the id of what was asked.
      attempt: which try of the run.
      rank: whose.
      first: the first recorded step; until: the one after the last.
      files: their names, in the same folder.
      before_ns: median time from one step's beginning to the next one's, unprofiled; None where too few are known.
      during_ns: the same of the recorded steps.
      held_up_ns: how long the rank stood still to begin and to end.
      error: why there are no files; empty where there are.
    """

    request: str
    attempt: int
    rank: int
    first: int
    until: int
    files: tuple[str, ...]
    before_ns: int | None
    during_ns: int
    held_up_ns: int
    error: str = ""

    @property
    def cost_pct(self) -> float | None:
        """How much longer a profiled step takes than one that is not, in percent of the latter."""
        return 100 * (self.during_ns / self.before_ns - 1) if self.before_ns else None

    @property
    def cost_text(self) -> str:
        """The same in words: profiled steps that were shorter by chance cost nothing that could be seen."""
        if self.cost_pct is None:
            return "not known"
        return f"{self.cost_pct:+.0f} %" if round(self.cost_pct) > 0 else "none seen"


def stem(attempt: int, rank: int, steps: range) -> str:
    """How the names of a capture's files begin."""
    return f"attempt-{attempt}.rank-{rank}.steps-{steps.start}-{steps.stop}"


def captured_file(folder: Path, captured: Captured) -> Path:
    """Where it is kept."""
    steps = range(captured.first, captured.until)
    return folder / f"{stem(captured.attempt, captured.rank, steps)}{_SUFFIX}"


def read_program(folder: Path) -> Program | None:
    """What was measured of a run's program; None where nothing was, or it cannot be read."""
    try:
        return msgspec.json.decode((folder / PROGRAM_FILE).read_bytes(), type=Program)
    except (OSError, msgspec.DecodeError):
        return None


def read_captured(folder: Path, request: str | None = None) -> list[Captured]:
    """All of a profile folder, or those of one request; by rank, then by step. What cannot be read is left out."""
    found = []
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        try:
            captured = msgspec.json.decode(path.read_bytes(), type=Captured)
        except (OSError, msgspec.DecodeError):
            continue
        if request is None or captured.request == request:
            found.append(captured)
    return sorted(found, key=lambda each: (each.rank, each.first, each.attempt))
