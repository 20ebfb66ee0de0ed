"""A run that goes on is read again only as far as a server can afford it, and one that has ended is read once more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from drivetrain.core.leaves import Leaf
from drivetrain.core.units import NS_PER_S
from drivetrain.ledger import Account, Interval
from drivetrain.ledger.fleet import Alloc, Attempt, Told
from drivetrain.ledger.fleet.node import Claim
from drivetrain.server.services import telling
from drivetrain.server.services.telling import PACE, Telling

BEGAN_S = 1000


class Runs:
    """Runs that train; it takes `took_s` of the CPU to read one, else a second; `read` says which were."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
        monkeypatch.setenv("DRIVETRAIN_HOME", str(home))
        monkeypatch.setattr(telling, "_account", lambda run, clock: (self._account(run), clock()))
        self.read: list[str] = []
        self.over: set[str] = set()
        self.now_s = self.cpu_s = 0.0
        self.took_s: dict[str, float] = {}
        self.telling = Telling(clock=lambda: self.now_s, spent=lambda: self.cpu_s)

    def _account(self, run: str) -> Account:
        self.read.append(run)
        self.cpu_s += self.took_s.get(run, 1.0)
        end_ns = self.at_ns
        leaf = Leaf.DATA_WAIT if run in self.over else Leaf.PRODUCTIVE
        leaves = {str(leaf): end_ns - BEGAN_S * NS_PER_S}
        interval = Interval(0, 1, BEGAN_S * NS_PER_S, end_ns, leaf)
        running = run not in self.over
        return Account(leaves, leaves[str(leaf)], 0, {0: leaves}, (interval,), 0, end_ns, 1, 1, 0, is_running=running)

    @property
    def at_ns(self) -> int:
        return (2 * BEGAN_S + int(self.now_s)) * NS_PER_S

    def ask(self, attempts: list[Attempt], is_settled: Callable[[Attempt], bool] = lambda _: False) -> list[str]:
        """Ask what runs tell: which were read for it."""
        self.read.clear()
        self.telling.tell({f"run-{attempt.job}": [attempt] for attempt in attempts}, self.at_ns, is_settled)
        return list(self.read)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Runs:
    return Runs(monkeypatch, tmp_path)


def attempts_of(num: int) -> list[Attempt]:
    claims = [Claim(Alloc(BEGAN_S * NS_PER_S, str(number), 0, "n", ((number, 1000),))) for number in range(num)]
    return [Attempt(str(number), 0, "ana", "maps", [claim]) for number, claim in enumerate(claims)]


def length_s(told: Told | None) -> int:
    assert told is not None
    return sum(told.ranks[0].spans_ns) // NS_PER_S


def test_hundred_runs_asked_for_an_hour_every_ten_seconds_take_no_more_than_their_share(runs: Runs) -> None:
    attempts = attempts_of(100)
    assert len(runs.ask(attempts)) == 100
    first_s, read = runs.cpu_s, list[str]()
    for second in range(10, 3610, 10):
        runs.now_s = float(second)
        read += runs.ask(attempts)
        assert {length_s(attempt.told) for attempt in attempts} == {BEGAN_S + second}, "time since is not told"
        assert runs.cpu_s - first_s <= second / PACE
    assert len(read) == pytest.approx(3600 / PACE, abs=1)
    assert read[:100] == [f"run-{attempt.job}" for attempt in attempts], "those first that were read longest ago"


def test_runs_that_are_quick_to_read_are_read_for_each_question(runs: Runs) -> None:
    attempts, runs.took_s = attempts_of(3), {f"run-{number}": 0.001 for number in range(3)}
    runs.ask(attempts)
    for runs.now_s in (1.0, 2.0, 3.0):
        assert len(runs.ask(attempts)) == 3


def test_an_attempt_that_has_ended_is_read_at_once_then_when_it_is_settled_and_never_again(runs: Runs) -> None:
    attempts = attempts_of(2)
    runs.ask(attempts)
    runs.now_s = 20.0
    assert runs.ask(attempts) == ["run-0"], "there was time for one of them"
    runs.over.add("run-1")
    attempts[1].end_ns = runs.at_ns
    runs.now_s = 21.0
    assert runs.ask(attempts) == ["run-1"]
    assert attempts[1].told is not None
    assert (attempts[1].told.ranks[0].leaves, length_s(attempts[1].told)) == ("d", BEGAN_S + 20)
    runs.now_s = 1000.0
    assert runs.ask(attempts) == ["run-0"], "its journals are as they were"
    runs.now_s = 2000.0
    settled = attempts[1]
    assert sorted(runs.ask(attempts, lambda attempt: attempt is settled)) == ["run-0", "run-1"]
    runs.now_s = 3000.0
    assert runs.ask(attempts, lambda attempt: attempt is settled) == ["run-0"]


def test_of_long_runs_and_short_ones_each_has_the_same_share(runs: Runs) -> None:
    attempts, read = attempts_of(11), list[str]()
    runs.took_s = {"run-0": 0.01}
    runs.ask(attempts)
    for runs.now_s in map(float, range(10, 3610, 10)):
        read += runs.ask(attempts)
    assert read.count("run-0") > 100
    assert {read.count(f"run-{number}") for number in range(1, 11)} <= {16, 17, 18}


def journal_of(home: Path, run: str, text: str) -> None:
    folder = home / "runs" / run / "journal"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rank0.jsonl").write_text(text)


def test_a_run_that_is_over_is_read_again_when_its_journals_have_changed(runs: Runs, tmp_path: Path) -> None:
    attempts = attempts_of(1)
    runs.over.add("run-0")
    journal_of(tmp_path, "run-0", "some\n")
    runs.ask(attempts)
    runs.now_s = 100.0
    assert runs.ask(attempts) == []
    journal_of(tmp_path, "run-0", "some more\n")
    runs.now_s = 200.0
    assert runs.ask(attempts) == ["run-0"]


def test_a_run_that_has_written_nothing_yet_is_read_as_soon_as_it_has(runs: Runs, tmp_path: Path) -> None:
    attempts = attempts_of(2)
    runs.over.add("run-1")
    runs.ask(attempts)
    assert runs.ask(attempts) == []
    journal_of(tmp_path, "run-1", "its first\n")
    assert runs.ask(attempts) == ["run-1"]


def test_runs_that_are_gone_are_forgotten(runs: Runs) -> None:
    attempts = attempts_of(2)
    runs.ask(attempts)
    runs.ask(attempts[:1])
    assert runs.ask(attempts) == ["run-1"]


def test_of_several_who_ask_at_once_one_reads(runs: Runs) -> None:
    def ask() -> None:
        runs.telling.tell({f"run-{each.job}": [each] for each in attempts_of(20)}, runs.at_ns, lambda _: False)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(runs.read) == sorted({f"run-{number}" for number in range(20)})
