"""Progress is shown of work that takes a while, and of no other."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from drivetrain.cli import describe, progress, whatif
from drivetrain.server import client


def test_a_late_bar_begins_after_a_second_and_only_where_something_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, shown = [0.0], []

    @contextmanager
    def bar(what: str, total: int) -> Iterator[progress.Advance]:
        shown.append(f"{what} of {total}")
        yield lambda done, _: shown.append(str(done))
        shown.append("gone")

    monkeypatch.setattr(progress, "bar", bar)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    with progress.late_bar("send code") as advance:
        advance(1, 3)
        now_s[0] = 1.5
        advance(2, 3)
        advance(3, 3)
    assert shown == ["send code of 3", "2", "3", "gone"]
    with progress.late_bar("send code") as advance:
        now_s[0] = 9.0
        advance(3, 3)
    assert len(shown) == 4


class Stderr(io.StringIO):
    """Of somebody who watches, or of nobody."""

    def __init__(self, *, is_watched: bool) -> None:
        super().__init__()
        self._is_watched = is_watched

    def isatty(self) -> bool:
        return self._is_watched


class SlowClient:
    """Of a server that answers when all that can be said until then has been said; the job's description at once."""

    def job(self, _: str) -> dict[str, Any]:
        return {"id": "job-1", "team": "maps", "state": "waiting", "reason": "2 are before it"}

    def ask(self, *_: object) -> dict[str, Any]:
        for thread in threading.enumerate():
            if thread.name == progress.WAITING:
                thread.join()
        return {}


@pytest.mark.parametrize(
    ("command", "words", "told"),
    [
        (describe.command, ["latest"], "job-1 waits: 2 are before it; playing the queue forward to see how long ...\n"),
        (whatif.command, ["--add", "cpu:4"], "playing the fleet forward, as it is and as it would be ...\n"),
    ],
)
@pytest.mark.parametrize("is_watched", [True, False])
def test_who_waits_for_a_play_of_the_fleet_is_told_so_where_somebody_watches(
    command: Any, words: list[str], told: str, is_watched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stderr = Stderr(is_watched=is_watched)
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(client, "connect", SlowClient)
    monkeypatch.setattr(progress, "_SHORT_S", 0.0)
    command.main([*words, "--json"], standalone_mode=False)
    assert stderr.getvalue() == (told if is_watched else "")


def test_of_what_takes_no_second_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = Stderr(is_watched=True)
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(progress, "_SHORT_S", 600.0)
    with progress.late_line("waiting"):
        pass
    assert stderr.getvalue() == ""
    assert progress.WAITING not in [thread.name for thread in threading.enumerate()]


def test_where_nobody_watches_a_line_every_ten_seconds_says_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now_s = [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    with progress.bar_or_lines("simulate", 4000) as advance:
        for done in range(1000, 5000, 1000):
            now_s[0] += 6
            advance(done, "plan")
    assert capsys.readouterr() == ("", "simulate: 2,000 of 4,000 (plan)\nsimulate: 4,000 of 4,000 (plan)\n")
