"""What a run's traces said when its page of them was made, kept beside them for the run's own page."""

from __future__ import annotations

import msgspec

from drivetrain.store import RunFolder, publish_bytes

_FILE = "findings.json"


class ToldFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One finding of a profile; `report.profile.ProfileFinding` says what each is."""

    kind: str
    label: str
    share: float
    lost_ns: int
    text: str
    evidence: str
    change: str
    gain: str


def keep_profile_findings(run: RunFolder, findings: object) -> None:
    """Keep what the traces say: a sequence of `ProfileFinding`. Raises StoreError: the disk would not take it."""
    publish_bytes(run.profile / _FILE, msgspec.json.encode(findings))


def read_profile_findings(run: RunFolder) -> tuple[ToldFinding, ...]:
    """Those of a run's traces; none where there are none, or they cannot be read."""
    try:
        return tuple(msgspec.json.decode((run.profile / _FILE).read_bytes(), type=list[ToldFinding]))
    except (OSError, msgspec.DecodeError):
        return ()
