"""Which of several ranks that wait at the same step is the one that the others wait for, by what they have written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from drivetrain.core.plain_json import decoded
from drivetrain.launch.hang import Look

COLLECTIVES = "collectives.json"
_MOST_BYTES = 64 << 20


def blamed(look: Look, looks: Sequence[Look], num_begun: Mapping[int, int]) -> int:
    """The rank to replace.

    Silence and idleness cannot tell a rank that waits in a collective from one that never came to it. The one that has
    begun fewest collectives holds up the others; one that could not even write down how many is stuck for good.

    Args:
      look: at the rank that is taken to hang.
      looks: at all ranks.
      num_begun: by rank, how many collectives it had begun; absent where it wrote nothing.
    """
    suspects = [each.rank for each in looks if each.step == look.step]
    if look.is_stopped or not num_begun:
        return look.rank
    counts = {rank: num_begun.get(rank, -1) for rank in suspects}
    fewest = [rank for rank in suspects if counts[rank] == min(counts.values())]
    return fewest[0] if len(fewest) == 1 else look.rank


def collectives_begun(folder: Path, ranks: Sequence[int]) -> dict[int, int]:
    """How many collectives each rank had begun, where it has written evidence that says so."""
    found = {}
    for rank in ranks:
        try:
            path = folder / f"rank-{rank}.{COLLECTIVES}"
            entries = decoded(path.read_bytes())["entries"] if path.stat().st_size <= _MOST_BYTES else []
            found[rank] = max((int(entry["record_id"]) + 1 for entry in entries), default=0)
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found
