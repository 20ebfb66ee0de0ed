"""Ranks that fail, and the others, whose processes go on in the next attempt."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("steady_training.py").read_text()
PRELOAD = ("numpy", "torch", "torch._dynamo", "drivetrain.train")


def pids(done: object, rank: int) -> list[str]:
    """The process of a rank, attempt after attempt."""
    begins = [line.split() for line in done.text(rank).splitlines() if line.startswith("begins")]
    assert [int(words[1]) for words in begins] == sorted(int(words[1]) for words in begins)
    return [words[2] for words in begins]


def weights(done: object) -> str:
    return next(line for line in done.text(0).splitlines() if line.startswith("weights"))


@pytest.fixture(scope="module")
def undisturbed() -> dict[int, str]:
    """Weights of runs that were left alone, by number of ranks."""
    return {}


@pytest.fixture
def train(launch: Callable, tmp_path: Path, undisturbed: dict[int, str], warm_nurseries: None) -> Callable:
    """Run the script with a twist, and see that it ends with the weights it would have had without."""

    def run(twist: str = "", *arguments: str, num_ranks: int = 3, **options: object) -> object:
        options = {"preload": PRELOAD, "env": {"OMP_NUM_THREADS": "1"}, **options}
        if num_ranks not in undisturbed:
            undisturbed[num_ranks] = weights(launch(SCRIPT, "12", num_ranks=num_ranks, preload=PRELOAD))
        (tmp_path / "twist.py").write_text("import os, signal, time\n" + textwrap.dedent(twist))
        done = launch(SCRIPT, "12", *arguments, num_ranks=num_ranks, **options)
        assert done.outcome.exit_code == 0, (done.notes, [done.text(rank, "stderr") for rank in range(num_ranks)])
        assert weights(done) == undisturbed[num_ranks], done.notes
        return done

    return run


def test_a_dead_rank_is_forked_anew_and_the_others_keep_their_processes(train: Callable) -> None:
    done = train(faults=("kill:rank=1,step=5", "kill:rank=0,step=8,attempt=1"))
    assert [len(set(pids(done, rank))) for rank in range(3)] == [2, 2, 1]
    assert [len(pids(done, rank)) for rank in range(3)] == [3, 3, 3]
    assert done.notes[0] == "rank 1 was killed by SIGKILL at step 4; 2 ranks stay, restarting, attempt 1"


@pytest.mark.slow
def test_two_ranks_that_die_at_once_are_one_failure_or_two_and_the_third_stays(train: Callable) -> None:
    done = train(faults=("kill:rank=0,step=5", "kill:rank=2,step=5"))
    assert len(set(pids(done, 1))) == 1


def test_a_new_rank_that_fails_before_it_has_joined_costs_no_other_its_process(train: Callable) -> None:
    twist = """
    def attempt_begins(rank, attempt):
        if (rank, attempt) == (1, 1):
            raise ValueError("not yet")
    """
    done = train(twist, faults=("kill:rank=1,step=5",))
    assert [len(set(pids(done, rank))) for rank in range(3)] == [1, 3, 1]
    assert done.outcome.num_attempts == 3


def test_a_rank_killed_as_the_others_begin_to_recover_is_one_more_failure(train: Callable) -> None:
    twist = """
    def attempt_begins(rank, attempt):
        if (rank, attempt) == (0, 1):
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = train(twist, faults=("kill:rank=1,step=5",))
    assert len(set(pids(done, 2))) == 1


def test_a_rank_that_catches_everything_is_killed_after_the_grace_and_replaced(train: Callable) -> None:
    twist = """
    def step_begins(rank, attempt, step):
        while (rank, attempt, step) == (0, 0, 5):
            try:
                time.sleep(60)
            except BaseException:
                pass
    """
    done = train(twist, faults=("kill:rank=1,step=5",), grace_s=1)
    assert [len(set(pids(done, rank))) for rank in range(3)] == [2, 2, 1]


@pytest.mark.slow
def test_a_rank_that_catches_every_exception_goes_on_all_the_same(train: Callable) -> None:
    twist = """
    def step_begins(rank, attempt, step):
        while (rank, attempt, step) == (0, 0, 5):
            try:
                time.sleep(60)
            except Exception:
                pass
    """
    done = train(twist, faults=("kill:rank=1,step=5",))
    assert [len(set(pids(done, rank))) for rank in range(3)] == [1, 2, 1]


def test_a_stopped_rank_is_found_after_the_floor_and_replaced(train: Callable) -> None:
    twist = """
    def step_begins(rank, attempt, step):
        if (rank, attempt, step) == (1, 0, 5):
            os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(60)
    """
    done = train(twist, hang_after_s=0.5)
    assert "rank 1 hung" in done.notes[0]
    assert [len(set(pids(done, rank))) for rank in range(3)] == [1, 2, 1]
    evidence = done.run.evidence(0)
    assert {path.name for path in evidence.glob("*.stacks.txt")} == {f"rank-{rank}.stacks.txt" for rank in range(3)}
    assert "in step_begins" in (evidence / "rank-1.stacks.txt").read_text()
    for rank in range(3):
        json.loads((evidence / f"rank-{rank}.collectives.json").read_bytes())


def test_a_rank_that_catches_every_error_and_tries_again_for_ever_is_found_and_replaced(train: Callable) -> None:
    twist = """
    def step_begins(rank, attempt, step):
        if (rank, attempt, step) == (1, 0, 5):
            raise ValueError("again")
    def survives(rank, attempt):
        return (rank, attempt) == (1, 0)
    """
    done = train(twist, hang_after_s=0.5)
    assert "rank 1 hung: it goes on, but no step was done for" in done.notes[0]
    assert [len(set(pids(done, rank))) for rank in range(3)] == [1, 2, 1]
    assert "script.py" in (done.run.evidence(0) / "rank-1.stacks.txt").read_text()


def test_a_plain_script_is_started_anew_as_a_whole(launch: Callable) -> None:
    script = """
    import os, signal, time
    print("begins", os.environ["DRIVETRAIN_ATTEMPT"], os.getpid(), flush=True)
    if os.environ["DRIVETRAIN_ATTEMPT"] == "0":
        if os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
    """
    done = launch(textwrap.dedent(script))
    assert [len(set(pids(done, rank))) for rank in range(2)] == [2, 2]
