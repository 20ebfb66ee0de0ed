"""How an agent begins: `python -m drivetrain.compute.agent.main FOLDER MEMBER`.

From the start of its process to the first line of a rank, most of the time is importing. So the server is asked whether
there is something to do before what does it is imported, and what forks the ranks imports its own beside that.
"""

from __future__ import annotations

import gc
import signal
import sys
from pathlib import Path

from drivetrain.compute.agent.claim import claim, claim_file
from drivetrain.launch import spares


def main(folder: str, member: int) -> int:
    """Be the agent of a member, unless another process is."""
    if claim(claim_file(Path(folder), member)) is None:
        return 0
    spares.prepare()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until there is somebody who knows what to do then
    try:
        return _work(Path(folder), member)
    finally:
        spares.drop()


def _work(folder: Path, member: int) -> int:
    gc.disable()  # nothing that imports make is garbage
    _import_msgspec()
    from drivetrain.compute.agent.assignment import read_assignment
    from drivetrain.compute.agent.client import AgentClient

    assignment = read_assignment(folder)
    client = AgentClient.of(folder, assignment, member)
    client.begin_beat()
    from drivetrain.compute.agent.work import Agent

    gc.freeze()
    gc.enable()
    return Agent(assignment, client, lambda: AgentClient.of(folder, assignment, member)).work()


def _import_msgspec() -> None:
    """Without typing_extensions and, through that, `inspect`, which take as long as all of it.

    It looks for them to understand types that agents have none of.
    """
    if "msgspec" not in sys.modules and "typing_extensions" not in sys.modules:
        sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # as Python says that there is none
        import msgspec as msgspec

        del sys.modules["typing_extensions"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
