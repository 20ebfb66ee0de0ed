"""Questions that come while others are being answered are answered together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence

import pytest

from drivetrain.core.errors import UsageError
from drivetrain.server.http.together import _MOST_LOOKS, Together


class Looks:
    """Answers n with 2 n, fails for 13, and waits where it is told to."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.may_end = threading.Event()
        self.has_begun = threading.Event()
        self.num_begun = threading.Semaphore(0)

    def __call__(self, keys: Sequence[int]) -> Mapping[int, int | Exception]:
        self.asked.append(list(keys))
        if 0 in keys:
            self.has_begun.set()
            self.num_begun.release()
            assert self.may_end.wait(30)
        if 99 in keys:
            raise OSError("the disk is gone")
        return {key: UsageError("13 is none") if key == 13 else 2 * key for key in keys}


async def begun(looks: Looks) -> None:
    await asyncio.to_thread(looks.has_begun.wait, 30)


def test_those_that_come_while_a_look_is_under_way_share_the_next_and_equal_ones_an_answer() -> None:
    async def play() -> list[int]:
        looks.may_end.set()
        first = asyncio.create_task(together.ask(7))
        await asyncio.sleep(0)  # which begins
        others = [asyncio.create_task(together.ask(key)) for key in (1, 2, 1, 3)]
        return await asyncio.gather(first, *others)

    looks = Looks()
    together = Together(looks)
    assert asyncio.run(play()) == [14, 2, 4, 2, 6]
    assert looks.asked == [[7], [1, 2, 3]] or looks.asked == [[7, 1, 2, 3]]


def test_what_one_question_fails_with_is_its_alone_and_what_a_look_fails_with_all_its_questions() -> None:
    async def play() -> list[int | BaseException]:
        some = await asyncio.gather(*(together.ask(key) for key in (12, 13, 14)), return_exceptions=True)
        return some + await asyncio.gather(*(together.ask(key) for key in (1, 99)), return_exceptions=True)

    together = Together(Looks())
    found = asyncio.run(play())
    assert found[0] == 24
    assert isinstance(found[1], UsageError)
    assert found[2] == 28
    assert all(isinstance(each, OSError) for each in found[3:])


def test_a_look_that_takes_long_holds_up_none_that_come_later() -> None:
    async def play() -> list[int]:
        slow = asyncio.create_task(together.ask(0))
        await begun(looks)
        try:
            found = await asyncio.gather(*(together.ask(key) for key in (1, 2)))
        finally:
            looks.may_end.set()
        return [*found, await slow, await together.ask(3)]

    looks = Looks()
    together = Together(looks)
    assert asyncio.run(asyncio.wait_for(play(), 30)) == [2, 4, 0, 6]


def test_whoever_goes_away_takes_nobody_elses_answer_along() -> None:
    async def play() -> int:
        gone = asyncio.create_task(together.ask(0))
        await begun(looks)
        stays = asyncio.create_task(together.ask(0))
        await asyncio.sleep(0)
        gone.cancel()
        looks.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await stays

    looks = Looks()
    together = Together(looks)
    assert asyncio.run(play()) == 0


def test_who_asks_as_the_last_of_many_that_look_ends_is_answered_though_all_others_look_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("drivetrain.server.http.together._LONG_S", 0.001)

    async def play() -> list[int]:
        slow = []
        for _ in range(_MOST_LOOKS - 1):
            slow.append(asyncio.create_task(together.ask(0)))
            await asyncio.to_thread(looks.num_begun.acquire, timeout=30)
        try:
            return [await together.ask(key) for key in (1, 2)]
        finally:
            looks.may_end.set()
            await asyncio.gather(*slow)

    looks = Looks()
    together = Together(looks)
    assert asyncio.run(asyncio.wait_for(play(), 30)) == [2, 4]
