"""One launcher of several for one run: leads it or follows who does, and leads on when the leader is lost."""

from __future__ import annotations

import time
from collections.abc import Callable

from drivetrain.core.errors import RunFailedError
from drivetrain.launch.door import Leading, leader_of, leading
from drivetrain.launch.follower import Follower, LeaderLost
from drivetrain.launch.spec import LaunchSpec

_LOOK_S = 0.1
_PATIENCE = 600  # looks at a leader that has the lock and cannot be reached


def run_together(
    name: str, spec: LaunchSpec, lead: Callable[[str], int], *, run: str = "", on_note: Callable[[str], None]
) -> int:
    """Run to the end; returns the exit code.

    Args:
      name: what the launchers of one run find each other by.
      lead: leads the run of an id, or a new one where it is empty, to its end; returns the exit code.
      run: the run to continue; empty for a new one.
    Raises:
      RunFailedError: somebody leads, but cannot be reached for a minute.
      UsageError: the run has as many nodes as it can have.
    """
    for _ in range(_PATIENCE):
        with leading(name) as is_ours:
            if is_ours:
                return lead(run)
        leader = leader_of(name)
        follower = None if leader is None else _follower(spec, leader, on_note)
        if leader is None or follower is None:
            time.sleep(_LOOK_S)
            continue
        run = leader.run
        try:
            return follower.run()
        except LeaderLost:
            on_note("the leader is gone: the run goes on from its newest checkpoint")
    raise RunFailedError(
        f"another launcher leads {name}, but does not listen",
        hint="is DRIVETRAIN_HOME the same folder on all nodes, and may they connect to each other?",
    )


def _follower(spec: LaunchSpec, leader: Leading, on_note: Callable[[str], None]) -> Follower | None:
    try:
        return Follower(spec, leader, on_note=on_note)
    except OSError:  # it has just gone, or come
        return None
