"""The critical path of one trace, and what a step would take without its longest parts. Pure."""

from __future__ import annotations

from drivetrain.profile import Trace
from drivetrain.profile.analyse import HostTree, critical_path, dependencies, gains
from drivetrain.report.profile.story import Critical, PathLine

_MOST_PARTS = 40


def critical_of(trace: Trace, tree: HostTree) -> Critical | None:
    """The path by parts; None of a trace that has no steps."""
    graph = dependencies(trace, tree=tree)
    path = critical_path(trace, graph)
    if not path.parts:
        return None
    found = gains(trace, graph, path, tree=tree)
    return Critical(
        total_ns=path.total_ns,
        parts=tuple(
            PathLine(part.where.value, part.name, part.dur_ns, part.num_pieces) for part in path.parts[:_MOST_PARTS]
        ),
        step_ns=found[0].step_ns if found else path.total_ns / max(path.num_steps, 1),
        free=tuple((one.name, one.free_ns) for one in found),
    )
