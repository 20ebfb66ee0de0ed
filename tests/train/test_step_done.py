from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import drivetrain as dt
from drivetrain.core.errors import UsageError
from drivetrain.ledger import read_history, scalars
from drivetrain.store import RunFolder, list_runs, open_run
from drivetrain.train import observer

PLAIN = """
import os, sys, time
import drivetrain as dt

first = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) and 2
for step in range(first, 6):
    with dt.phase("data_wait"):
        time.sleep(0.01)
    time.sleep(0.01)
    {ending}
    dt.step_done(step, loss=step / 2)
time.sleep(0.01)
"""


def run(tmp_path: Path, ending: str, *launcher: str) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "plain.py"
    script.write_text(PLAIN.format(ending=ending))
    command = [sys.executable, *launcher, str(script)]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)


def the_run() -> RunFolder:
    [manifest] = list_runs()
    return open_run(manifest.id)


def test_a_plain_loop_is_accounted_for_with_one_call_a_step(tmp_path: Path) -> None:
    assert run(tmp_path, "pass").returncode == 0
    account = dt.account(the_run())
    account.check()
    assert (account.num_steps_kept, account.num_steps_lost) == (6, 0)
    assert set(account.leaves) - {"down"} == {"init", "productive", "data_wait", "teardown"}
    assert account.leaves["data_wait"] >= 5 * 10_000_000
    assert account.leaves["teardown"] >= 10_000_000
    losses = [(step, value) for step, _, value in scalars(read_history(the_run()).events)["loss"]]
    assert losses == [(step + 1, step / 2) for step in range(6)]


def test_a_step_that_an_error_interrupted_is_lost(tmp_path: Path) -> None:
    assert run(tmp_path, "assert step < 4").returncode == 1
    account = dt.account(the_run())
    account.check()
    assert account.leaves["lost"] > 0
    assert account.num_steps_lost == 5  # nothing was saved


def test_what_it_saved_in_a_phase_that_ended_well_is_kept_whatever_comes_after(tmp_path: Path) -> None:
    save = """
    if step in (2, 4):
        with dt.phase("checkpoint"):
            assert step < 4"""
    assert run(tmp_path, save).returncode == 1
    account = dt.account(the_run())
    account.check()
    assert (account.num_steps_kept, account.num_steps_lost) == (2, 3)  # steps 0 and 1 were done before it saved


def test_restarted_by_the_launcher_it_says_from_where_it_goes_on(tmp_path: Path) -> None:
    launcher = ("-m", "drivetrain", "run", "--fault", "kill:rank=0,step=4", "--", sys.executable)
    done = run(tmp_path, "pass", *launcher)
    assert done.returncode == 0, done.stderr
    assert "rank 0 was killed by SIGKILL" in done.stderr
    account = dt.account(the_run())
    account.check()
    assert (account.num_steps_kept, account.num_attempts) == (6, 2)
    assert account.num_steps_lost == 2  # steps 2 and 3


@pytest.fixture
def observed() -> object:
    yield
    if observer._attached is not None:
        observer._attached.close()


def test_steps_count_by_themselves_and_may_go_back(observed: object) -> None:
    for step in (None, None, None, 1, None):
        dt.step_done(step)
    text = next(the_run().journal.iterdir()).read_text()
    ended = [line.split('"step":')[1].split(",")[0] for line in text.splitlines() if "step_end" in line]
    assert ended == ["0", "1", "2", "1", "2"]
    assert text.count('"k":"resume"') == 1


def test_beside_a_run_it_is_refused_because_the_run_records_its_steps(observed: object) -> None:
    with dt.Run(), pytest.raises(UsageError, match=r"has a dt\.Run, which records its steps itself"):
        dt.step_done()


def test_ranks_that_cannot_agree_on_a_run_are_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="2 ranks and no process group yet"):
        dt.step_done()
