"""How much anybody may ask: bytes of a request, and requests of an address within a time."""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 320 << 20
REQUESTS_PER_S, BURST = 500.0, 2000.0
_MOST_ADDRESSES = 10_000


class Limits:
    """ASGI: refuses what is too large or comes too often, before anything is done for it."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        most_bytes: int = MOST_BYTES,
        per_s: float = REQUESTS_PER_S,
        burst: float = BURST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._most_bytes, self._per_s, self._burst, self._clock = app, most_bytes, per_s, burst, clock
        self._left: dict[str, tuple[float, float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not self._may_ask((scope.get("client") or ("",))[0]):
            answer = JSONResponse({"detail": "too many requests"}, 429, {"Retry-After": "1"})
            await answer(scope, receive, send)
            return
        sizes = [value for name, value in scope["headers"] if name == b"content-length"]
        if sizes and (not sizes[0].isdigit() or int(sizes[0]) > self._most_bytes):
            await JSONResponse({"detail": "the request is too large"}, 413)(scope, receive, send)
            return
        await self._app(scope, self._counted(receive), send)

    def _may_ask(self, address: str) -> bool:
        now_s = self._clock()
        left, at_s = self._left.get(address, (self._burst, now_s))
        left = min(self._burst, left + (now_s - at_s) * self._per_s)
        if len(self._left) > _MOST_ADDRESSES:
            self._left.clear()
        self._left[address] = (left - 1, now_s) if left >= 1 else (left, now_s)
        return left >= 1

    def _counted(self, receive: Receive) -> Receive:
        taken_bytes = 0

        async def counted() -> Message:
            nonlocal taken_bytes
            message = await receive()
            taken_bytes += len(message.get("body", b""))
            return {"type": "http.disconnect"} if taken_bytes > self._most_bytes else message

        return counted
