"""Who asks for profiles of which steps, with a profiler that only takes notes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from drivetrain.core.profiling import ProfileSpec
from drivetrain.launch import asking_for_profile
from drivetrain.store import create_run
from drivetrain.train import profiling
from drivetrain.train.profiling import Profiling


class Notes:
    """Takes down what it is told."""

    made: list[Notes]

    def __init__(self, _subject: Any, spec: ProfileSpec, steps: range, request: str, _is_wanted: Any) -> None:
        self.steps, self.request, self.spec = steps, request, spec
        self.told: list[object] = []
        self.is_over = False
        self.made.append(self)

    def at(self, step: int) -> None:
        self.told.append(step)
        self.is_over = step >= self.steps.stop

    def halt(self, step: int) -> None:
        self.told.append(f"halt {step}")

    def close(self, *, keep: bool) -> None:
        self.told.append("kept" if keep else "dropped")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Notes]:
    Notes.made = []
    monkeypatch.setattr(profiling, "open_profiler", Notes)
    monkeypatch.setattr(Profiling, "_subject", "a subject", raising=False)
    return Notes.made


def profiled(*specs: str, rank: int = 0) -> Profiling:
    found = Profiling(create_run(["true"], 1), rank)
    found._subject = "a subject"  # type: ignore[assignment]  # nobody looks at it
    for spec in specs:
        found.ask(ProfileSpec.parse(spec))
    return found


def walk(found: Profiling, steps: range) -> list[int]:
    """The steps before which it was called."""
    called = []
    for step in steps:
        if step >= found.next_step:
            found.at(step)
            called.append(step)
    return called


def test_nothing_is_called_while_nothing_is_asked(made: list[Notes]) -> None:
    found = profiled()
    assert found.next_step == sys.maxsize
    assert walk(found, range(1000)) == []
    found.close(keep=True)
    assert made == []


def test_it_is_called_from_the_step_before_the_first_to_the_one_after_the_last(made: list[Notes]) -> None:
    found = profiled("steps=20:23")
    assert walk(found, range(100)) == [19, 20, 21, 22, 23]
    found.close(keep=True)
    assert made[0].told == [19, 20, 21, 22, 23, "kept"]
    assert found.next_step == sys.maxsize


def test_steps_that_are_gone_are_replaced_where_somebody_asks_now(made: list[Notes]) -> None:
    walk(profiled("steps=20:23"), range(50, 60))
    walk(profiled("steps=3"), range(7, 20))
    walk(profiled("steps=7:9"), range(7, 20))
    assert [each.steps for each in made] == [range(51, 54), range(8, 11), range(7, 9)]


def test_steps_of_the_launch_stay_what_they_are(
    made: list[Notes], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DRIVETRAIN_PROFILE", "steps=20:23")
    for first in (0, 21, 30):
        walk(profiled(), range(first, 50))
    assert [each.steps for each in made] == [range(20, 23), range(21, 23)]
    assert made[0].request == made[1].request == "run steps=20:23"
    assert "done already" in caplog.text


def test_other_ranks_hear_of_nothing(made: list[Notes]) -> None:
    assert walk(profiled("steps=2:4 ranks=0,2", rank=1), range(10)) == []
    assert walk(profiled("steps=2:4 ranks=all", rank=1), range(3)) == [1, 2]


def test_several_follow_each_other_in_the_order_of_their_steps(made: list[Notes]) -> None:
    found = profiled("steps=10:12", "steps=3:5", "steps=4:6")
    walk(found, range(20))
    assert [each.steps for each in made] == [range(3, 5), range(7, 9), range(10, 12)]
    assert made[0].told[-1] == "kept"  # before the next one begins
    found.close(keep=True)


def test_a_loop_that_is_left_decides_at_the_end_of_the_run(made: list[Notes]) -> None:
    for keep in (True, False):
        found = profiled("steps=2:9")
        walk(found, range(5))
        found.halt(5)
        assert found.next_step == sys.maxsize
        found.close(keep=keep)
    assert [each.told[-2:] for each in made] == [["halt 5", "kept"], ["halt 5", "dropped"]]


def test_what_people_ask_is_heard_once(made: list[Notes]) -> None:
    found = profiled()
    with asking_for_profile(found._folder, ProfileSpec(num_steps=2)) as request:
        for _ in range(3):
            found._hear()
            walk(found, range(5, 20))
    assert [(each.request, each.steps) for each in made] == [(request, range(6, 8))]


def test_a_profiler_that_cannot_be_made_stops_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    def broken(*_: object) -> Notes:
        raise ImportError("no such library")

    monkeypatch.setattr(profiling, "open_profiler", broken)
    found = profiled("steps=1:2")
    assert walk(found, range(5)) == [0]
    assert "no such library" in caplog.text
