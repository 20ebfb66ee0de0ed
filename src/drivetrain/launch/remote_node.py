"""A node on another machine, as its leader sees it: orders go over a line, and what becomes of them comes back."""

from __future__ import annotations

import selectors
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivetrain.core.clock import mono_ns
from drivetrain.core.units import NS_PER_S
from drivetrain.launch.line import Line
from drivetrain.launch.node import Listener
from drivetrain.launch.spec import RankRequest
from drivetrain.launch.wire import Leave

BEAT_NS = 2 * NS_PER_S
LOST_AFTER_NS = 10 * NS_PER_S  # without a word


@dataclass(frozen=True, slots=True)
class About:
    """What a node says of itself as it comes.

    Attributes:
      number: from 1, in the order in which they come.
      name: of the machine, for people.
      host: see core.clock.host_id.
      ahead_ns: by how much its wall clock is ahead of ours.
    """

    number: int
    name: str
    host: str
    ahead_ns: int

    def __str__(self) -> str:
        return f"node {self.number} ({self.name})"


class RemoteNode:
    """Mirrors `Node` over a line.

    Attributes:
      about: who it is.
      is_ready: whether ranks can be begun there.
      is_gone: whether the line has ended, and the node with it.
      replaces: as in `Node`.
    """

    def __init__(
        self,
        about: About,
        line: Line,
        *,
        selector: selectors.BaseSelector,
        listener: Listener,
        on_gone: Callable[[RemoteNode], None],
    ) -> None:
        """Begin to listen; sends nothing yet.

        Args:
          on_gone: told once that the node is lost; its ranks have ended, whatever it may still do.
        """
        self.about = about
        self.is_ready = False
        self.is_gone = False
        self._line = line
        self._selector = selector
        self._listener = listener
        self._on_gone = on_gone
        self._attempt = -1
        self._replaces = True
        self._kept: frozenset[int] = frozenset()
        self._states: dict[int, tuple[str, int]] = {}
        self._heard_ns = mono_ns()
        self._beat_at_ns = self._heard_ns + BEAT_NS
        self._take: Mapping[str, Callable[[dict[str, Any]], None]] = {
            "ready": self._on_ready,
            "state": self._on_state,
            "ended": self._on_ended,
            "stumbled": lambda said: listener.on_stumbled(int(said["rank"]), str(said["words"])),
            "left": lambda said: listener.on_left(int(said["rank"])),
            "lost": self._on_lost,
            "beat": lambda _: None,
        }
        selector.register(line, selectors.EVENT_READ, self._on_line)

    @property
    def replaces(self) -> bool:
        """Whether a process that ends on its way from one attempt to the next is forked anew."""
        return self._replaces

    @replaces.setter
    def replaces(self, value: bool) -> None:
        self._replaces = value
        self._line.send("replaces", value=value)

    @property
    def kept(self) -> list[int]:
        """Ranks whose processes can go on in another attempt."""
        return sorted(self._kept)

    def process_states(self) -> dict[int, tuple[str, int]]:
        """By rank that lives: as in `Node`, half a second old at most."""
        return dict(self._states)

    def open(self) -> None:
        """Start its nursery, unless there is one."""
        self._line.send("open")

    def begin(self, requests: tuple[RankRequest, ...], attempt: int, moves: Mapping[int, int]) -> None:
        """Begin an attempt, see `Node.begin`; what it runs is the node's own command."""
        self._attempt = attempt
        self._replaces = True
        self._kept = frozenset(rank for rank, before in moves.items() if before in self._kept)
        ranks = [[request.rank, request.env] for request in requests]
        self._line.send("begin", attempt=attempt, ranks=ranks, moves=list(moves.items()))

    def leave(self, leave: Leave) -> None:
        """Have every rank leave before a step."""
        self._line.send("leave", at_step=leave.at_step, within_ms=leave.within_ms, saves=leave.saves)

    def signal(self, rank: int, signum: int) -> None:
        """Signal the process group of a rank."""
        self._line.send("signal", rank=rank, signum=signum)

    def ask_for_evidence(self, folder: Path) -> None:
        """Have every rank write down where its threads are."""
        self._line.send("evidence", folder=str(folder))

    def keep_time(self, now_ns: int) -> int | None:
        """Do what is due; returns when to call again."""
        if now_ns - self._heard_ns >= LOST_AFTER_NS:
            self._lose()
        if self.is_gone:
            return None
        if now_ns >= self._beat_at_ns:
            self._beat_at_ns = now_ns + BEAT_NS
            self._line.send("beat")
        return min(self._beat_at_ns, self._heard_ns + LOST_AFTER_NS)

    def close(self, exit_code: int | None = None) -> None:
        """Send it home, with the code that its launcher is to leave with; without one it finds a new leader."""
        if exit_code is not None:
            self._line.send("bye", exit_code=exit_code)
        self._hang_up()

    def _on_line(self) -> None:
        if self.is_gone:
            return
        messages = self._line.read()
        if messages is None:
            self._lose()
            return
        for kind, said in messages:
            self._heard_ns = mono_ns()
            try:
                take = self._take[kind]
                if said.get("attempt", self._attempt) == self._attempt:
                    take(said)
            except (KeyError, ValueError, TypeError):
                self._lose()
                return

    def _on_ready(self, _: dict[str, Any]) -> None:
        self.is_ready = True
        self._listener.on_ready()

    def _on_state(self, said: dict[str, Any]) -> None:
        self._kept = frozenset(int(rank) for rank in said["kept"])
        self._states = {int(rank): (str(state), int(ticks)) for rank, state, ticks in said["ranks"]}

    def _on_ended(self, said: dict[str, Any]) -> None:
        rank = int(said["rank"])
        self._kept -= {rank}
        self._states.pop(rank, None)
        # When it was is told by how long ago: our clocks have nothing in common.
        at_ns = mono_ns() - int(said["ago_ns"])
        self._listener.on_ended(rank, int(said["code"]), at_ns, tuple(map(str, said["words"])))

    def _on_lost(self, _: dict[str, Any]) -> None:
        self.is_ready = False  # its ranks have been told as ended, and it opens another nursery

    def _lose(self) -> None:
        """No word from it will be heard any more."""
        if self.is_gone:
            return
        self._hang_up()
        self._kept = frozenset()
        self._on_gone(self)

    def _hang_up(self) -> None:
        self.is_gone = True
        self.is_ready = False
        with suppress(KeyError, ValueError):
            self._selector.unregister(self._line)
        self._line.close()
