"""Questions that come while others are being answered are answered together, by the next way to a thread.

That way, a connection of the database and a transaction cost more than most answers; who polls pays them with others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

Key = TypeVar("Key")
Answer = TypeVar("Answer")
_MOST_AT_ONCE = 50
_LONG_S = 0.1
_MOST_LOOKS = 8


class Together(Generic[Key, Answer]):
    """Gives each question its answer as of a moment after it was asked; asked within one event loop.

    One look follows the other, since several threads at once hinder each other; beside one that takes long there is
    another, up to a few.

    Args:
      look: questions, each once -> the answer to each, or what it fails with; called in a thread.
    """

    def __init__(self, look: Callable[[Sequence[Key]], Mapping[Key, Answer | Exception]]) -> None:
        self._look = look
        self._waiting: deque[tuple[Key, asyncio.Future[Answer]]] = deque()
        self._lookers: set[asyncio.Task[None]] = set()
        self._next: asyncio.Task[None] | None = None
        """Who looks next for those who wait; nobody where all have looked for long."""

    async def ask(self, key: Key) -> Answer:
        """Its answer. Raises: what it fails with."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, answer))
        self._have_a_looker()
        return await answer

    def _have_a_looker(self) -> None:
        if self._waiting and self._next is None and len(self._lookers) < _MOST_LOOKS:
            self._next = asyncio.create_task(self._answer())
            self._lookers.add(self._next)

    async def _answer(self) -> None:
        me = asyncio.current_task()
        assert me is not None
        while self._waiting and self._next in (me, None):
            self._next = me
            asked = [self._waiting.popleft() for _ in range(min(_MOST_AT_ONCE, len(self._waiting)))]
            keys = list(dict.fromkeys(key for key, _ in asked))
            relief = asyncio.get_running_loop().call_later(_LONG_S, self._relieve)
            try:
                found = await run_in_threadpool(self._look, keys)
            except Exception as exc:  # noqa: BLE001 - whoever asked is told
                found = dict.fromkeys(keys, exc)
            relief.cancel()
            for key, answer in asked:
                _settle(answer, found[key])
        self._lookers.discard(me)  # here and not once it is done: by then somebody may have asked, and found too many
        if self._next is me:
            self._next = None

    def _relieve(self) -> None:
        """The one that looks takes long."""
        self._next = None
        self._have_a_looker()


def _settle(waiting: asyncio.Future[Answer], answer: Answer | Exception) -> None:
    if waiting.done():  # whoever asked has gone
        return
    if isinstance(answer, Exception):
        waiting.set_exception(answer)
    else:
        waiting.set_result(answer)
