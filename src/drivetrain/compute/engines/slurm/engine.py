"""A Slurm cluster: an attempt is one of its jobs, known again by its comment."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from drivetrain.compute.agent.assignment import read_assignment
from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.engines.protocol import StartRequest
from drivetrain.compute.engines.slurm import commands

_NODES_EVERY_S = 2.0


class SlurmEngine:
    """An `Engine` of a cluster whose commands work here.

    Args:
      pool: its name.
      partition: of Slurm; empty for its default.
      folder: where agents find what they are told; the nodes see it too.
    """

    def __init__(self, pool: str, *, partition: str, folder: Path) -> None:
        self._pool, self._partition, self._folder = pool, partition, folder
        self._nodes: tuple[float, Sequence[NodeRecord]] = (0.0, ())
        self._lock = threading.Lock()

    def nodes(self) -> Sequence[NodeRecord]:
        """Those of the partition, as Slurm sees them."""
        with self._lock:
            if time.monotonic() - self._nodes[0] > _NODES_EVERY_S:
                text = commands.run(["scontrol", "show", "nodes", "--oneliner"])
                found = commands.nodes_of(text, self._pool, partition=self._partition)
                self._nodes = time.monotonic(), found
            return self._nodes[1]

    def start(self, request: StartRequest) -> None:
        """Submit a job for it, unless Slurm has one."""
        if request.attempt in self._jobs():
            return
        log = self._folder / request.attempt / "slurm.log"
        commands.run(commands.batch_arguments(request, self._partition, str(log)), text=commands.script(request))

    def living(self) -> Mapping[str, frozenset[int]]:
        """Those of which Slurm still has a job; of a job, all members whose node is up."""
        down = {node.name for node in self.nodes() if node.state == "down"}
        found = {}
        for attempt in self._jobs():
            nodes = self._nodes_of(attempt)
            found[attempt] = frozenset(member for member, node in enumerate(nodes) if node not in down)
        return found

    def leave(self, attempt: str) -> None:
        """SIGTERM to its agents."""
        self._cancel(attempt, "--signal=TERM")

    def kill(self, attempt: str) -> None:
        """SIGKILL to its agents, and the job is gone."""
        self._cancel(attempt, "--signal=KILL", "--full")
        self._cancel(attempt)

    def close(self) -> None:
        """Nothing is held."""

    def _cancel(self, attempt: str, *options: str) -> None:
        number = self._jobs().get(attempt)
        if number is not None:
            commands.run(["scancel", *options, number])

    def _jobs(self) -> dict[str, str]:
        return commands.jobs_of(commands.run(["squeue", "--noheader", "--format=%i|%k|%T"]))

    def _nodes_of(self, attempt: str) -> tuple[str, ...]:
        return tuple(share.node for share in read_assignment(self._folder / attempt).shares)
