"""Progress is shown of work that takes a while, and of no other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from drivetrain.cli import progress


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
