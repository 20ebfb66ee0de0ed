"""Which rank is replaced when several wait at the same step."""

from __future__ import annotations

import json
from pathlib import Path

from drivetrain.launch.blame import blamed, collectives_begun
from drivetrain.launch.hang import Look


def look(rank: int, step: int = 7, *, is_stopped: bool = False) -> Look:
    return Look(rank, step, True, 10, 10, is_stopped)


def test_the_rank_that_never_came_to_the_collective_is_blamed_and_not_the_one_that_waits_in_it() -> None:
    assert blamed(look(0), [look(0), look(1)], {0: 31, 1: 30}) == 1
    assert blamed(look(1), [look(0), look(1), look(2)], {0: 31, 1: 31, 2: 30}) == 2


def test_a_rank_that_could_write_nothing_is_blamed() -> None:
    assert blamed(look(0), [look(0), look(1)], {0: 31}) == 1


def test_where_that_tells_nothing_the_first_suspicion_stays() -> None:
    assert blamed(look(0), [look(0), look(1)], {}) == 0
    assert blamed(look(0), [look(0), look(1)], {0: 30, 1: 30}) == 0
    assert blamed(look(0), [look(0), look(1, step=9)], {0: 40, 1: 30}) == 0
    assert blamed(look(0, is_stopped=True), [look(0), look(1)], {0: 31, 1: 30}) == 0


def test_collectives_are_counted_where_a_rank_has_written_them(tmp_path: Path) -> None:
    (tmp_path / "rank-0.collectives.json").write_text(json.dumps({"entries": [{"record_id": 4}, {"record_id": 9}]}))
    (tmp_path / "rank-1.collectives.json").write_text("{torn")
    (tmp_path / "rank-2.collectives.json").write_text(json.dumps({"entries": []}))
    assert collectives_begun(tmp_path, [0, 1, 2, 3]) == {0: 10, 2: 0}
