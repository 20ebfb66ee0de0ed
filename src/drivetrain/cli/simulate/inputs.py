"""What can be played, and which options go with it: another is refused rather than passed over."""

from __future__ import annotations

from collections.abc import Mapping

import click
from click.core import ParameterSource

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


def check_options(context: click.Context) -> None:
    """Raises: UsageError: there is nothing to play, or two things are, or an option does not go with what is."""
    said = {
        str(each.name): each.opts[0] if isinstance(each, click.Option) else str(each.name).upper()
        for each in context.command.params
        if context.get_parameter_source(str(each.name)) is ParameterSource.COMMANDLINE
    }
    inputs = [said[name] for name in ("trace", "pods", "workload") if name in said]
    if len(inputs) != 1:
        raise UsageError(f"{' and '.join(inputs)} are both given" if inputs else "nothing to replay", hint=_HINT)
    played = "--replay" if inputs == ["TRACE"] and "is_replay" in said else inputs[0]
    for name, option in said.items():
        if name not in TAKES[played]:
            others = [other for other, names in TAKES.items() if name in names]
            raise UsageError(f"{option} does not go with {played}", hint=f"it goes with {' or '.join(others)}")
    if "nodes" in said and "fleet" in said:
        raise UsageError("--nodes and --fleet are both given", hint="TRACE.csv --fleet FILE")
