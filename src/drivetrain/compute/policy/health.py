"""Nodes that fail again and again get no more work, with the evidence.

Failures of several jobs on one node speak against the node. A job that fails on many nodes speaks against itself: its
failures count for nothing, and so do those in a pool whose owner takes nodes back. Where many nodes of a pool seem bad
at once the cause is elsewhere: only a tenth goes.
"""

from __future__ import annotations

from collections.abc import Iterable

from drivetrain.compute.policy.values import Cordon, Failure, Node, Snapshot
from drivetrain.core.units import count_text

WINDOW_S = 24 * 3600.0
FEWEST_FAILURES = 3
FEWEST_JOBS = 2
MOST_NODES_OF_JOB = 2
MOST_SHARE = 0.1


def cordons(snapshot: Snapshot, now_s: float) -> list[Cordon]:
    """Nodes that failed repeatedly of late, the worst first."""
    if not snapshot.failures:
        return []
    spot = {pool.name for pool in snapshot.pools if pool.interruptions_per_h > 0}
    taken = {node.name for node in snapshot.nodes if node.pool in spot}
    lately = [each for each in snapshot.failures if now_s - each.at_s <= WINDOW_S and each.node not in taken]
    nodes_of_job: dict[str, set[str]] = {}
    for failure in lately:
        nodes_of_job.setdefault(failure.job, set()).add(failure.node)
    by_node: dict[str, list[Failure]] = {}
    for failure in sorted(lately, key=lambda f: (f.at_s, f.job, f.what)):
        if len(nodes_of_job[failure.job]) <= MOST_NODES_OF_JOB:
            by_node.setdefault(failure.node, []).append(failure)
    bad = [node for node in snapshot.nodes if node.state == "up" and _is_bad(by_node.get(node.name, ()))]
    bad.sort(key=lambda node: (-len(by_node[node.name]), node.name))
    left = _allowed(snapshot.nodes)
    found = []
    for node in bad:
        left[node.pool] -= 1
        if left[node.pool] >= 0:
            found.append(Cordon(node.name, _evidence(by_node[node.name])))
    return found


def _is_bad(failures: Iterable[Failure]) -> bool:
    failures = list(failures)
    return len(failures) >= FEWEST_FAILURES and len({failure.job for failure in failures}) >= FEWEST_JOBS


def _allowed(nodes: Iterable[Node]) -> dict[str, int]:
    """How many more of each pool may go: a tenth, those that are cordoned among it, but one in any case."""
    sizes: dict[str, list[Node]] = {}
    for node in nodes:
        sizes.setdefault(node.pool, []).append(node)
    return {
        pool: max(1, int(MOST_SHARE * len(mine))) - sum(node.state == "cordoned" for node in mine)
        for pool, mine in sizes.items()
    }


def _evidence(failures: list[Failure]) -> str:
    jobs = len({failure.job for failure in failures})
    what = ", ".join(sorted({failure.what for failure in failures}))
    number = f"{count_text(len(failures), 'failure')} of {count_text(jobs, 'job')} in 24 h"
    return f"{number} ({what}); the last of job {failures[-1].job}"
