"""What a run's traces said when its page of them was made, kept beside them for the run's own page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from drivetrain.store import RunFolder, publish_bytes

_FILE = "findings.json"


@dataclass(frozen=True, slots=True)
class ProfileFinding:
    """One loss within a step, said so that a person can act on it.

    Attributes:
      kind: the rule's name.
      label: of whom; empty where there is one process only.
      share: what the rule measures, 0 to 1; of the step unless the text says otherwise.
      lost_ns: per step; what findings are ranked by.
      text: what happened, one sentence with numbers.
      evidence: what points to the cause; may be empty.
      change: what to do.
      gain: what that could bring at most, and said to be that; may be empty.
    """

    kind: str
    label: str
    share: float
    lost_ns: int
    text: str
    evidence: str
    change: str
    gain: str


def keep_profile_findings(run: RunFolder, findings: Sequence[ProfileFinding]) -> None:
    """Keep what the traces say. Raises StoreError: the disk would not take it."""
    publish_bytes(run.profile / _FILE, msgspec.json.encode(findings))


def read_profile_findings(run: RunFolder) -> tuple[ProfileFinding, ...]:
    """Those of a run's traces; none where there are none, or they cannot be read."""
    try:
        return msgspec.json.decode((run.profile / _FILE).read_bytes(), type=tuple[ProfileFinding, ...])
    except (OSError, msgspec.DecodeError):
        return ()
