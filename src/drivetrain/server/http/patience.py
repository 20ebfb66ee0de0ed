"""How long a client may take to say what it asks: who opens connections and says nothing holds none for long."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 30.0


class PatientProtocol(H11Protocol):
    """uvicorn's, which waits for ever for the head of a request, and here for `HEAD_S`; `limits.py` sees to bodies."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._too_late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for its first request."""
        super().connection_made(transport)
        self._await_head()

    def handle_events(self) -> None:
        """Wait for a head that has begun, and no more once it is there."""
        super().handle_events()
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing."""
        super().connection_lost(exc)
        if self._too_late is not None:
            self._too_late.cancel()

    def _await_head(self) -> None:
        is_awaited = self.conn.their_state is h11.IDLE
        if is_awaited and self._too_late is None:
            self._too_late = self.loop.call_later(HEAD_S, self.transport.close)
        elif not is_awaited and self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None
