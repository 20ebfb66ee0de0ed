"""What can be played, and which options go with it: another is refused rather than passed over."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from drivetrain.cli.options import said
from drivetrain.core.errors import DataError, UsageError

_PLAYED = frozenset({"policies", "seed", "html", "as_json"})
TAKES: Mapping[str, frozenset[str]] = {
    "TRACE": _PLAYED | {"trace", "nodes", "gpus_per_node", "fleet"},
    "--replay": frozenset({"trace", "is_replay", "as_json"}),
    "--pods": frozenset({"pods", "nodes", "policies", "seed", "demand_pct", "has_departures", "as_json"}),
    "--workload": _PLAYED | {"workload", "profiles", "nodes", "gpus_per_node", "restart_s", "declared_error"},
}
"""What is played -> the parameters of the command that mean something there."""
_HINT = "TRACE.csv --nodes 16, or --pods PODS.csv --nodes NODES.csv, or --workload JOBS.csv --profiles FOLDER"
_PACKED: Mapping[bytes, str] = {
    b"\x1f\x8b": "gzip -d",
    b"BZh": "bzip2 -d",
    b"\xfd7zXZ": "xz -d",
    b"\x28\xb5\x2f\xfd": "zstd -d",
    b"PK\x03\x04": "unzip",
}
"""How a compressed file begins -> what unpacks it."""


def check_not_packed(path: Path | None) -> None:
    """Raises: DataError: a file is compressed. Of one that cannot be read whoever reads it says more."""
    if path is None:
        return
    try:
        with path.open("rb") as file:
            head = file.read(max(map(len, _PACKED)))
    except OSError:
        return
    for begin, unpack in _PACKED.items():
        if head.startswith(begin):
            raise DataError(f"{path}: is compressed, expected plain text", hint=f"{unpack} {path.name}")


def check_options() -> None:
    """Raises: UsageError: there is nothing to play, or two things are, or an option does not go with what is."""
    given = said()
    inputs = [given[name] for name in ("trace", "pods", "workload") if name in given]
    if len(inputs) != 1:
        raise UsageError(f"{' and '.join(inputs)} are both given" if inputs else "nothing to replay", hint=_HINT)
    played = "--replay" if inputs == ["TRACE"] and "is_replay" in given else inputs[0]
    for name, option in given.items():
        if name not in TAKES[played]:
            others = [other for other, names in TAKES.items() if name in names]
            raise UsageError(f"{option} does not go with {played}", hint=f"it goes with {' or '.join(others)}")
    if "nodes" in given and "fleet" in given:
        raise UsageError("--nodes and --fleet are both given", hint="TRACE.csv --fleet FILE")
