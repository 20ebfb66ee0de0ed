"""What can be played, and which options go with it: another is refused rather than passed over."""

from __future__ import annotations

from collections.abc import Mapping

from drivetrain.cli.options import said
from drivetrain.core.errors import UsageError

_PLAYED = frozenset({"policies", "seed", "html", "as_json"})
TAKES: Mapping[str, frozenset[str]] = {
    "TRACE": _PLAYED | {"trace", "nodes", "gpus_per_node", "fleet"},
    "--replay": frozenset({"trace", "is_replay", "as_json"}),
    "--pods": frozenset({"pods", "nodes", "policies", "seed", "demand_pct", "has_departures", "as_json"}),
    "--workload": _PLAYED | {"workload", "profiles", "nodes", "gpus_per_node", "restart_s", "declared_error"},
}
"""What is played -> the parameters of the command that mean something there."""
_HINT = "TRACE.csv --nodes 16, or --pods PODS.csv --nodes NODES.csv, or --workload JOBS.csv --profiles FOLDER"


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
