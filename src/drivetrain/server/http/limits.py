"""How much anybody may ask: bytes of a request and time to send them, requests within a time, and tries of tokens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from fastapi import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from drivetrain.compute.snapshot import MOST_BYTES as MOST_CODE_BYTES
from drivetrain.compute.snapshot.batches import MOST_BATCH_BYTES

REQUESTS_PER_S, BURST = 500.0, 2000.0
TRIES_PER_S, TRIES_BURST = 5.0, 100.0
_MIB = 1 << 20
_MOST_REMEMBERED = 10_000
_NO_TOKEN = 401
_NEED_TOKENS = ("/api/", "/agent/")
_MOST_BYTES = (("PUT", "/api/blobs/", MOST_CODE_BYTES), ("POST", "/api/blobs/missing", 32 * _MIB),
               ("POST", "/api/blobs", MOST_BATCH_BYTES), ("POST", "/api/snapshots", 128 * _MIB))  # fmt: skip
_MOST_BYTES_ELSE = 4 * _MIB
PIECE_S, BODY_S = 30.0, 600.0
"""How long the next piece of a body, and all of it, may be on the way."""


def most_bytes(method: str, path: str) -> int:
    """What a request may carry: code much, anything else little."""
    for of_method, begin, most in _MOST_BYTES:
        if method == of_method and path.startswith(begin):
            return most
    return _MOST_BYTES_ELSE


class Bucket:
    """Holds so many tokens for each name, filled at a rate; who finds none has to wait."""

    def __init__(self, per_s: float, burst: float, clock: Callable[[], float]) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._left: dict[str, tuple[float, float]] = {}

    def has(self, name: str) -> bool:
        """Whether there is one; it stays."""
        return self._now(name) >= 1

    def take(self, name: str) -> bool:
        """Take one; whether there was one."""
        left = self._now(name)
        if len(self._left) > _MOST_REMEMBERED:
            self._left.clear()
        self._left[name] = (left - 1 if left >= 1 else left), self._clock()
        return left >= 1

    def _now(self, name: str) -> float:
        now_s = self._clock()
        left, at_s = self._left.get(name, (self._burst, now_s))
        return min(self._burst, left + (now_s - at_s) * self._per_s)


class Limits:
    """ASGI: refuses what is too large or comes too often, before anything is done for it.

    Requests are counted by token, since behind a proxy, or on a machine with many agents, all come from one address;
    those that turn out to have no good one, by address. Who has shown a good one is not held up by others who try
    what is none from the same address.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        per_s: float = REQUESTS_PER_S,
        burst: float = BURST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._requests = Bucket(per_s, burst, clock)
        self._tries = Bucket(TRIES_PER_S, TRIES_BURST, clock)
        self._good: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        address = (scope.get("client") or ("",))[0]
        token = headers.get(b"authorization", b"").decode("latin-1")
        if (why := self._too_many(token, address)) is not None:
            await JSONResponse({"detail": f"too many requests: {why}"}, 429, {"Retry-After": "1"})(scope, receive, send)
            return
        most = most_bytes(scope["method"], scope["path"])
        size = headers.get(b"content-length", b"0")
        if not size.isdigit() or int(size) > most:
            await JSONResponse({"detail": _too_large(most)}, 413)(scope, receive, send)
            return

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._learn(token, address, message["status"], needs_one=scope["path"].startswith(_NEED_TOKENS))
            await send(message)

        await self._app(scope, _counted(receive, most), watched)

    def _too_many(self, token: str, address: str) -> str | None:
        """Why a request comes too often; None where it does not."""
        if token not in self._good and not self._tries.has(address):
            return f"{address} has tried many tokens that are not good"
        if not self._requests.take(token or address):
            return f"expected at most {REQUESTS_PER_S:g} a second with one token"
        return None

    def _learn(self, token: str, address: str, status: int, *, needs_one: bool) -> None:
        """What an answer says of the token that was shown."""
        if status == _NO_TOKEN:
            self._tries.take(address)
            self._good.discard(token)
        elif needs_one and status < 300:
            if len(self._good) >= _MOST_REMEMBERED:
                self._good.clear()
            self._good.add(token)


def _counted(receive: Receive, most: int) -> Receive:
    taken_bytes, is_whole = 0, False
    until_s = time.monotonic() + BODY_S

    async def counted() -> Message:
        nonlocal taken_bytes, is_whole
        if is_whole:  # what comes now is that the client is gone
            return await receive()
        try:
            async with asyncio.timeout(max(0.0, min(PIECE_S, until_s - time.monotonic()))):
                message = await receive()
        except TimeoutError as exc:
            raise HTTPException(408, f"the request did not come within {PIECE_S:g} s", {"Connection": "close"}) from exc
        taken_bytes += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if taken_bytes > most:
            raise HTTPException(413, _too_large(most))
        return message

    return counted


def _too_large(most: int) -> str:
    return f"the request is too large, expected at most {most} bytes"
