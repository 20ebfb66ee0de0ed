from __future__ import annotations

import random
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from tests.bench.decide.sessions import result

from drivetrain.bench.history.commits import Commits, commits_between
from drivetrain.bench.history.trends import trends_of
from drivetrain.bench.history.words import trends_text
from drivetrain.bench.results import Result


def steady(num: int, *, step_at: int | None = None, name: str = "wall_s", machine: str = "m1") -> list[Result]:
    source = random.Random(1)
    made = []
    for at in range(num):
        level = 1.1 if step_at is not None and at >= step_at else 1.0
        one = result("B", {name: [level * source.uniform(0.99, 1.01) for _ in range(3)]}, at_ns=at, session=f"s{at}")
        made.append(replace(one, commit=f"{at:07x}", environment={"cpu": machine}))
    return made


def test_a_change_is_named_by_the_results_around_it() -> None:
    (trend,) = trends_of(steady(40, step_at=25))
    (change,) = trend.changes
    assert change.index == 25
    assert trend.commits_around(change) == (f"{24:07x}", f"{25:07x}")
    assert not trend.is_better(change)
    (rate,) = trends_of(steady(40, step_at=25, name="rate_per_s"))
    assert rate.is_better(rate.changes[0])


def test_results_of_the_other_side_and_of_other_machines_are_no_part_of_a_trend() -> None:
    mine, other = steady(20), steady(20, machine="m2")
    against = [replace(one, side="A") for one in steady(20, step_at=0)]
    trends = trends_of([*mine, *against, *other])
    assert [(trend.machine, len(trend.points), trend.changes) for trend in trends] == [("m1", 20, ()), ("m2", 20, ())]


def test_order_of_lines_does_not_matter() -> None:
    results = steady(40, step_at=25)
    assert trends_of(results) == trends_of(results[::-1])


@pytest.fixture
def repository(tmp_path: Path) -> tuple[Path, list[str]]:
    def git(*args: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *args]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    ids = []
    for number in range(4):
        git("commit", "-q", "--allow-empty", "-m", f"change {number}")
        ids.append(git("rev-parse", "--short=12", "HEAD"))
    return tmp_path, ids


def test_commits_between_two_results_are_those_after_the_first(repository: tuple[Path, list[str]]) -> None:
    folder, ids = repository
    found = commits_between(ids[0], f"{ids[2]} with uncommitted changes", folder)
    assert found.num == 2
    assert [one.partition(" ")[2] for one in found.newest] == ["change 2", "change 1"]
    assert commits_between(ids[1], ids[1], folder) == Commits(0)


def test_commits_that_nobody_knows_are_not_made_up(repository: tuple[Path, list[str]]) -> None:
    folder, ids = repository
    for before, after in (("", ids[0]), ("--output=x", ids[0]), ("f" * 12, ids[0]), (ids[0], "no commit")):
        assert commits_between(before, after, folder) == Commits()
    assert not (folder / "x").exists()


def test_text_names_what_changed_and_between_which_commits() -> None:
    text = trends_text(trends_of(steady(40, step_at=25)), lambda before, after: Commits(1, (f"{after} slow it down",)))
    lines = text.splitlines()
    assert lines[0].startswith("train/step  wall_s: 40 results, last 1.1")
    assert lines[1].startswith("  worse from 1970-01-01 00:00:00 UTC on: 1.00 s -> 1.10 s, +")
    assert lines[2] == "  between 0000018 and 0000019, 1 commit"
    assert lines[3] == "    0000019 slow it down"
