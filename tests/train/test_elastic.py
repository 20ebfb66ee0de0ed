from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from drivetrain import ledger
from drivetrain.core.errors import UsageError
from drivetrain.launch import ask_for
from drivetrain.store import open_run


def test_ranks_come_and_go_at_a_step_and_no_step_is_done_twice(training: Callable, tmp_path: Path) -> None:
    with training("--ranks", "1:3", every="7step") as run:
        run.until(step=3)
        ask_for(open_run("latest"), 1)
        run.until(of=1)
        with pytest.raises(UsageError, match="can have 1 to 3 ranks, but was asked for 4"):
            ask_for(open_run("latest"), 4)
        ask_for(open_run("latest"), 2)
        run.until(of=2)
        (tmp_path / "enough").touch()
        said = run.end()
    assert "from 3 ranks to 1 rank, attempt 1" in said
    assert "from 1 rank to 2 ranks, attempt 2" in said
    assert run.wrong_samples() == {}
    account = ledger.account(open_run("latest"))
    account.check()
    assert "unknown" not in account.leaves
    assert "lost" not in account.leaves
    assert (account.num_steps_kept, account.num_steps_lost) == (max(line.get("step", 0) for line in run.lines) + 1, 0)
    assert set(account.by_rank) == {0, 1, 2}
    assert [each.num_redone for each in ledger.recoveries(ledger.read_history(open_run("latest")).events)] == [0, 0]
    with pytest.raises(UsageError, match="is not running"):
        ask_for(open_run("latest"), 1)


def test_a_rank_that_fails_again_and_again_is_left_out(training: Callable) -> None:
    faults = [f"kill:rank=0,step=8,attempt={attempt}" for attempt in range(2)]
    with training("--ranks", "1:2", "--restarts", "1", "--fault", faults[0], "--fault", faults[1], steps=20) as run:
        said = run.end()
    assert "all 1 restarts are used up; from 2 ranks to 1 rank, attempt 2" in said
    assert Counter(line["of"] for line in run.lines if line.get("step", -1) >= 8) == {1: 12}
    assert run.wrong_samples() == {}
    ledger.account(open_run("latest")).check()
