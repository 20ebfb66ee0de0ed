"""Attempts that end with an error that nobody here asked for: their engine may have ended them, and says how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivetrain.compute.controller.world import World
from drivetrain.compute.engines import Engine
from drivetrain.core.errors import StoreError

_EVERY_S = 0.5
_PATIENCE_S = 20.0
"""How long an engine may be asked again until it says how it ended an attempt."""


class Endings:
    """Asks engines, and tells the world what they say before it hears of the end itself."""

    def __init__(self, engines: Mapping[str, Engine]) -> None:
        self._engines = engines
        self._asked_s: dict[str, tuple[float, float]] = {}

    def is_to_wait(self, world: World, message: tuple[str, str, Any], now_s: float) -> bool:
        """Whether a message is to be heard later, since the engine does not say yet how it ended that attempt."""
        kind, subject, data = message
        return kind == "exit" and bool(data.get("exit_code")) and self.is_open(world, subject, now_s)

    def is_open(self, world: World, attempt_id: str, now_s: float) -> bool:
        """Ask how an attempt was ended, and tell the world; whether that is to be asked again first."""
        attempt = world.attempts.get(attempt_id.rpartition(".")[0])
        if attempt is None or attempt.id != attempt_id or attempt.why is not None:
            return False
        if (engine := self._engines.get(attempt.pool)) is None:
            return False
        first_s, last_s = self._asked_s.get(attempt_id, (now_s, -_EVERY_S))
        if abs(now_s - last_s) < _EVERY_S:
            return True
        try:
            ending = engine.ending(attempt_id)
        except StoreError:
            self._remember(world, attempt_id, (first_s, now_s))
            return abs(now_s - first_s) < _PATIENCE_S
        if ending is not None:
            world.ended_there(attempt_id, ending.why, ending.words, ending.nodes, now_s)
        return False

    def _remember(self, world: World, attempt_id: str, asked_s: tuple[float, float]) -> None:
        living = {each.id for each in world.attempts.values()}
        self._asked_s = {name: each for name, each in self._asked_s.items() if name in living}
        self._asked_s[attempt_id] = asked_s
