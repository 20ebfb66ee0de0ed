"""The controller hears of each attempt what it does not know yet, and of each kind of it not too often."""

from __future__ import annotations

from drivetrain.compute.controller.states import AttemptRecord, AttemptState
from drivetrain.server.services.agents import AgentDesk

RUNNING = AttemptRecord(id="job-1.0", job="job-1", number=0, shares=(), state=AttemptState.RUNNING)


def is_news(
    desk: AgentDesk, now_s: float, *, step: int | None = None, saved: int | None = None, is_busy: bool = False
) -> bool:
    return desk.is_news(RUNNING, now_s, step=step, saved_step=saved, is_busy=is_busy)


def test_the_step_that_one_agent_of_a_gang_knows_is_heard_though_another_has_just_spoken() -> None:
    desk = AgentDesk()
    assert is_news(desk, 100.0)
    assert is_news(desk, 101.0, step=7)
    assert not is_news(desk, 102.0, step=9)
    assert is_news(desk, 111.5, step=40)


def test_devices_in_use_on_one_node_are_heard_of_though_another_is_idle() -> None:
    desk = AgentDesk()
    assert is_news(desk, 100.0)
    assert is_news(desk, 101.0, is_busy=True)
    assert not is_news(desk, 102.0, is_busy=True)


def test_a_checkpoint_is_news_once_whoever_tells_of_it_and_whether_or_not_others_see_it() -> None:
    desk = AgentDesk()
    assert is_news(desk, 100.0, step=60, saved=50)
    assert is_news(desk, 101.0)
    assert not is_news(desk, 102.0, saved=50)
    assert not is_news(desk, 103.0)
    assert not is_news(desk, 104.0, step=62, saved=50)
    assert is_news(desk, 105.0, step=101, saved=100)


def test_one_that_is_forgotten_is_heard_anew() -> None:
    desk = AgentDesk()
    assert is_news(desk, 100.0, step=7)
    desk.forget(RUNNING.id)
    assert is_news(desk, 100.1, step=7)
