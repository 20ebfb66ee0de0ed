"""An engine without machines, for tests and trials: agents are names in a table, and end when they are told to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.engines.protocol import Ending, StartRequest
from drivetrain.core.errors import StoreError


class FakeEngine:
    """An `Engine`.

    Attributes:
      machines: as they are now.
      agents: attempt and member -> the node where its agent lives.
      started: each start of an agent, in order.
      asked_to_leave: attempts that were.
      holding_up: what keeps attempts from beginning.
      endings: of attempts that it ended by itself.
      is_away: whether it answers nothing at the moment.
    """

    def __init__(self, nodes: Sequence[NodeRecord]) -> None:
        self.machines = tuple(nodes)
        self._known: set[tuple[str, int]] = set()
        self.agents: dict[tuple[str, int], str] = {}
        self.started: list[tuple[str, int]] = []
        self.asked_to_leave: set[str] = set()
        self.holding_up: dict[str, str] = {}
        self.endings: dict[str, Ending] = {}
        self.is_away = False

    def nodes(self) -> Sequence[NodeRecord]:
        """All of them."""
        self._answer()
        return self.machines

    def start(self, request: StartRequest) -> None:
        """Start an agent for each member, unless that was done before."""
        self._answer()
        for member, share in enumerate(request.shares):
            key = request.attempt, member
            if key not in self._known:
                self._known.add(key)
                self.agents[key] = share.node
                self.started.append(key)

    def living(self) -> Mapping[str, frozenset[int]]:
        """Those that have not ended."""
        self._answer()
        attempts = {attempt for attempt, _ in self.agents}
        return {each: frozenset(member for attempt, member in self.agents if attempt == each) for each in attempts}

    def known_as(self, attempt: str) -> str:  # noqa: ARG002 - the Protocol's
        """It has no names of its own."""
        return ""

    def held_up(self, attempt: str) -> str:
        """As it was told."""
        self._answer()
        return self.holding_up.get(attempt, "")

    def ending(self, attempt: str) -> Ending | None:
        """As it was told."""
        self._answer()
        return self.endings.get(attempt)

    def leave(self, attempt: str) -> None:
        """Remember it."""
        self._answer()
        self.asked_to_leave.add(attempt)

    def kill(self, attempt: str) -> None:
        """They are gone."""
        self._answer()
        for key in [key for key in self.agents if key[0] == attempt]:
            self.end(*key)

    def close(self) -> None:
        """Nothing is held."""

    def end(self, attempt: str, member: int) -> None:
        """An agent ends, or is lost where it has not said so to the server before."""
        self.agents.pop((attempt, member), None)

    def _answer(self) -> None:
        if self.is_away:
            raise StoreError("the engine is away")
