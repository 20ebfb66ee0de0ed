"""Starts agents as processes that outlive the server, and knows them again by a claim that the kernel keeps."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from drivetrain.compute.agent.claim import claim_file, holder
from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.engines.protocol import StartRequest
from drivetrain.core.errors import StoreError


class LocalEngine:
    """An `Engine` of processes.

    Args:
      folder: where agents keep what they are told and their claims.
      nodes: what this machine is divided into.
    """

    def __init__(self, folder: Path, nodes: Sequence[NodeRecord]) -> None:
        self._folder = folder
        self._nodes = tuple(nodes)
        self._children: dict[tuple[str, int], subprocess.Popen[bytes]] = {}

    def nodes(self) -> Sequence[NodeRecord]:
        """What this machine is divided into."""
        return self._nodes

    def start(self, request: StartRequest) -> None:
        """Start an agent for each member, unless one lives or has lived."""
        for member in range(len(request.shares)):
            claim = claim_file(self._folder / request.attempt, member)
            if (request.attempt, member) in self._children or claim.exists():
                continue
            log = claim.with_suffix(".log")
            try:
                with log.open("ab") as output:
                    self._children[request.attempt, member] = subprocess.Popen(
                        [*request.agent, str(member)],
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        env={**os.environ, **request.env},
                        start_new_session=True,
                    )
            except OSError as exc:
                raise StoreError(f"cannot start an agent for {request.attempt}: {exc.strerror}") from exc

    def living(self) -> Mapping[str, frozenset[int]]:
        """By their claims, and by those of our children that have not come so far as to make one."""
        found: dict[str, set[int]] = defaultdict(set)
        for (attempt, member), child in list(self._children.items()):
            if child.poll() is None:
                found[attempt].add(member)
            else:
                del self._children[attempt, member]
        for claim in self._folder.glob("*/*.claim"):
            if holder(claim) is not None:
                found[claim.parent.name].add(int(claim.stem))
        return {attempt: frozenset(members) for attempt, members in found.items()}

    def leave(self, attempt: str) -> None:
        """SIGTERM."""
        self._signal(attempt, signal.SIGTERM)

    def kill(self, attempt: str) -> None:
        """SIGKILL; what agents started ends with them."""
        self._signal(attempt, signal.SIGKILL)

    def _signal(self, attempt: str, signum: signal.Signals) -> None:
        for claim in (self._folder / attempt).glob("*.claim"):
            pid = holder(claim)
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signum)
        for (of, _), child in self._children.items():
            if of == attempt and signum is signal.SIGKILL:
                child.kill()
