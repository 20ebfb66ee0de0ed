"""How long a client may take to say what it asks, and how much that may be.

Who opens connections and says nothing, or never comes to an end, holds none for long and no memory.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 30.0
MOST_HEAD_BYTES = 64 * 1024


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's, which waits for ever for the head of a request, however long; `limits.py` sees to bodies."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._too_late: asyncio.TimerHandle | None = None
        self._has_begun = self._has_body_to_come = False
        self._num_heads = self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for its first request."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a head that has begun."""
        num_heads, ends_a_body = self._num_heads, self._has_body_to_come
        super().data_received(data)
        is_of_one_head = self._num_heads == num_heads and not ends_a_body
        if self._is_awaited() and not self.transport.is_closing():
            self._await_head()
            self._head_bytes = self._head_bytes + len(data) if is_of_one_head else 0
            if self._head_bytes > MOST_HEAD_BYTES:
                self.send_400_response(f"A request's head has at most {MOST_HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        """Of the next head there is something."""
        super().on_message_begin()
        self._has_begun = True

    def on_headers_complete(self) -> None:
        """Wait no more."""
        super().on_headers_complete()
        self._has_begun, self._has_body_to_come = False, True
        self._num_heads += 1
        self._head_bytes = 0
        self._wait_no_more()

    def on_message_complete(self) -> None:
        """What comes next is another head."""
        super().on_message_complete()
        self._has_body_to_come = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing."""
        super().connection_lost(exc)
        self._wait_no_more()

    def _is_awaited(self) -> bool:
        """Whether a head is on its way, or there is nothing else to do."""
        is_answered = self.cycle is None or self.cycle.response_complete
        return self._has_begun or (is_answered and not self._has_body_to_come)

    def _await_head(self) -> None:
        if self._too_late is None:
            self._too_late = self.loop.call_later(HEAD_S, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None
