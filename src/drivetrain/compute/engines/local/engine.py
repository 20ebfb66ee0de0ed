"""Starts agents as processes that outlive the server, and knows them again by a claim that the kernel keeps."""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from drivetrain.compute.agent.claim import claim_file, claims, holder
from drivetrain.compute.agent.leftovers import MARK, marked
from drivetrain.compute.agent.main import BEGIN
from drivetrain.compute.agent.warm import WarmAgents
from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.engines.protocol import CannotStartError, Ending, StartRequest
from drivetrain.compute.engines.surroundings import surroundings
from drivetrain.compute.policy.values import Share
from drivetrain.core.errors import StoreError

WARM = (sys.executable, *BEGIN)
"""Agents that a fork can be."""
_NO_PROGRAM = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EACCES,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOEXEC,
)
"""What another try would not change."""


class Forked:
    """As much of `Popen` as is needed, for a process that is no child of ours."""

    def __init__(self, pidfd: int) -> None:
        self._pidfd = pidfd

    def poll(self) -> int | None:
        """None while it lives."""
        return 0 if select.select([self._pidfd], [], [], 0)[0] else None

    def kill(self) -> None:
        """SIGKILL."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def __del__(self) -> None:
        os.close(self._pidfd)


Child = subprocess.Popen[bytes] | Forked


class LocalEngine:
    """An `Engine` of processes.

    Args:
      folder: where agents keep what they are told and their claims.
      nodes: what this machine is divided into.
      is_warm: whether agents are forked from a process that has imported what they need.
      first_device: of each node with accelerators, the machine's number of its first one.
    """

    def __init__(
        self,
        folder: Path,
        nodes: Sequence[NodeRecord],
        *,
        first_device: Mapping[str, int] | None = None,
        is_warm: bool = False,
    ) -> None:
        self._folder = folder
        self._nodes = tuple(nodes)
        self._is_warm = is_warm
        self._first_device = first_device or {}
        self._children: dict[tuple[str, int], Child] = {}
        self._warm: WarmAgents | None = None
        self._gone: set[Path] = set()

    def nodes(self) -> Sequence[NodeRecord]:
        """What this machine is divided into."""
        if self._is_warm and self._warm is None:
            self._warm = WarmAgents(surroundings())
        return self._nodes

    def close(self) -> None:
        """Agents go on."""
        if self._warm is not None:
            self._warm.close()
            self._warm = None

    def start(self, request: StartRequest) -> None:
        """Start an agent for each member, unless one lives or has lived."""
        for member, share in enumerate(request.shares):
            claim = claim_file(self._folder / request.attempt, member)
            if (request.attempt, member) in self._children or claim.exists():
                continue
            env = {
                **surroundings(request.secrets),
                **request.env,
                **self._devices(share),
                MARK: f"{request.attempt}.{member}",
            }
            try:
                with claim.with_suffix(".log").open("ab") as output:
                    self._children[request.attempt, member] = self._agent(request, member, env, output.fileno())
            except OSError as exc:
                if exc.filename != request.agent[0] or exc.errno not in _NO_PROGRAM:
                    raise StoreError(f"cannot start an agent for {request.attempt}: {exc}") from exc
                where = f"{exc.filename[:200]}: {exc.strerror}"
                raise CannotStartError(f"there is no python to start at {where}") from exc

    def _agent(self, request: StartRequest, member: int, env: Mapping[str, str], output: int) -> Child:
        """A fork of one that is warm, where it may be one; else a process of its own, which finds it has been made."""
        if self._warm is not None and request.agent[:-1] == WARM:
            try:
                return Forked(self._warm.fork(Path(request.agent[-1]), member, env, output))
            except OSError:
                self.close()
        return subprocess.Popen(
            [*request.agent, str(member)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
        )

    def living(self) -> Mapping[str, frozenset[int]]:
        """By their claims, and by those of our children that have not come so far as to make one.

        What an agent that was killed has left running is ended, and only then it is not among them.
        """
        found: dict[str, set[int]] = defaultdict(set)
        for (attempt, member), child in list(self._children.items()):
            if child.poll() is None:
                found[attempt].add(member)
            else:
                del self._children[attempt, member]
        found_claims = claims(self._folder)
        self._gone &= found_claims
        dead = [claim for claim in found_claims - self._gone if holder(claim) is None]
        left = marked() if dead else {}
        for claim in found_claims - self._gone:
            attempt, member = claim.parent.name, int(claim.stem)
            if claim not in dead or self._ends_leftovers(claim, left.get(f"{attempt}.{member}", [])):
                found[attempt].add(member)
            elif (attempt, member) not in self._children:
                self._gone.add(claim)
        return {attempt: frozenset(members) for attempt, members in found.items()}

    def known_as(self, attempt: str) -> str:  # noqa: ARG002 - the Protocol's
        """Processes have no names."""
        return ""

    def held_up(self, attempt: str) -> str:  # noqa: ARG002 - the Protocol's
        """What it has taken begins."""
        return ""

    def ending(self, attempt: str) -> Ending | None:  # noqa: ARG002 - the Protocol's
        """It never does."""
        return None

    def leave(self, attempt: str) -> None:
        """SIGTERM."""
        for pid in self._holders(attempt):
            _signal(pid, signal.SIGTERM)

    def kill(self, attempt: str) -> None:
        """SIGKILL; what agents started ends with them."""
        for pid in self._holders(attempt):
            _signal(pid, signal.SIGKILL)
        for (of, _), child in self._children.items():
            if of == attempt:
                child.kill()

    def _holders(self, attempt: str) -> list[int]:
        found = (holder(claim) for claim in (self._folder / attempt).glob("*.claim"))
        return [pid for pid in found if pid is not None]

    @staticmethod
    def _ends_leftovers(claim: Path, pids: list[int]) -> bool:
        """End what an agent left; whether there was anything. One that is about to take its claim is left alone."""
        with suppress(FileNotFoundError):  # another server has put it away
            if claim.stat().st_size:
                for pid in pids:
                    _signal(pid, signal.SIGKILL)
        return bool(pids)

    def _devices(self, share: Share) -> Mapping[str, str]:
        """Which accelerators a member sees: its own, and none where it has none of those that its node has."""
        first = self._first_device.get(share.node)
        if first is None:
            return {}
        return {"CUDA_VISIBLE_DEVICES": ",".join(str(first + device) for device, _ in share.milli)}


def _signal(pid: int, signum: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signum)
