"""A run that is killed, stopped and starved of disk by a seeded plan ends with the weights of one left alone."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from drivetrain.core.units import NS_PER_S
from drivetrain.launch import Launcher, LaunchSpec, Outcome
from drivetrain.ledger import JournalTail, account, read_history, recoveries
from drivetrain.store import RunFolder, create_run

SCRIPT = Path(__file__).resolve().parents[1] / "train" / "chaos_training.py"
STEPS = 300
WAYS = ("loop", "anomaly", "fit")
HANG_AFTER_NS = 7 * NS_PER_S // 10
LOOK_S = 0.003


@dataclass(frozen=True)
class Strike:
    """From outside: a signal to the process of a rank, once that rank has begun a step."""

    step: int
    rank: int
    signum: int


@dataclass(frozen=True)
class Plan:
    """What happens to a run.

    `faults` strike from inside, at exact steps; `strikes` from outside, somewhere in a step; `meanwhile` has, by number
    of a failure, a rank that is killed so many seconds after the failure was noticed, while the ranks recover.
    """

    seed: int
    num_ranks: int
    way: str
    every: str
    faults: tuple[str, ...]
    strikes: tuple[Strike, ...]
    meanwhile: dict[int, tuple[int, float]]


def plan_of(seed: int) -> Plan:
    """Two exact failures of one or more ranks, then one or two somewhere, kills while ranks recover, a full disk."""
    drawn = random.Random(seed)
    num_ranks = 2 + seed % 2
    *steps, full_from = drawn.sample(range(15, STEPS - 15), 5)
    steps.sort()
    faults = []
    for attempt, step in enumerate(steps[:2]):
        kinds = ["kill", drawn.choice(["kill", "stop"])]
        ranks = drawn.sample(range(num_ranks), drawn.choice([1, 1, 2]))
        drawn.shuffle(kinds)
        faults += [
            f"{kind}:rank={rank},step={step},attempt={attempt}" for kind, rank in zip(kinds, ranks, strict=False)
        ]
    strikes = [
        Strike(step, drawn.randrange(num_ranks), drawn.choice([signal.SIGKILL, signal.SIGSTOP]))
        for step in steps[2 : 2 + drawn.choice([1, 2])]
    ]
    meanwhile = {
        drawn.randrange(4): (drawn.randrange(num_ranks), drawn.uniform(0, 0.1)) for _ in range(drawn.choice([0, 1, 2]))
    }
    every = drawn.choice(["20step", "45step", "300ms"])
    full_rank, full_until = drawn.randrange(num_ranks), min(full_from + 60, STEPS - 10)
    if full_until not in steps:
        for attempt in range(9):
            for kind, step in (("full", full_from), ("room", full_until)):
                faults.append(f"{kind}:rank={full_rank},step={step},attempt={attempt}")
    return Plan(seed, num_ranks, WAYS[seed // 2 % 3], every, tuple(faults), tuple(strikes), meanwhile)


class Saboteur:
    """Carries out what of a plan comes from outside."""

    def __init__(self, plan: Plan, run: RunFolder) -> None:
        self._plan, self._run = plan, run
        self._num_failures = 0
        self._over = threading.Event()
        self._tails: dict[Path, tuple[JournalTail, list[int]]] = {}
        self._threads = [threading.Thread(target=self._strike_all)]
        self._threads[0].start()

    def hear(self, note: str) -> None:
        """What the launcher tells."""
        if "restarting" in note:
            rank, after_s = self._plan.meanwhile.get(self._num_failures, (-1, 0.0))
            self._num_failures += 1
            if rank >= 0:
                self._threads.append(threading.Thread(target=self._kill_later, args=(rank, after_s)))
                self._threads[-1].start()

    def close(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _strike_all(self) -> None:
        for strike in self._plan.strikes:
            while self._step_of(strike.rank) < strike.step:
                if self._over.wait(LOOK_S):
                    return
            self._signal(strike.rank, strike.signum)

    def _kill_later(self, rank: int, after_s: float) -> None:
        if not self._over.wait(after_s):
            self._signal(rank, signal.SIGKILL)

    def _signal(self, rank: int, signum: int) -> None:
        """To its process, if that is one of the launcher's; nothing where it has not begun to record yet."""
        with suppress(psutil.NoSuchProcess, ProcessLookupError, IndexError, ValueError, OSError):
            pid = json.loads(self._journal(rank).read_text().splitlines()[0])["pid"]
            if any(parent.pid == os.getpid() for parent in psutil.Process(pid).parents()):
                os.kill(pid, signum)

    def _journal(self, rank: int) -> Path:
        """The latest one of a rank."""
        return max(
            self._run.journal.glob(f"attempt-*.rank-{rank}.jsonl"), key=lambda path: int(path.name[8:].split(".")[0])
        )

    def _step_of(self, rank: int) -> int:
        """The last one it has begun in its latest attempt, -1 before."""
        try:
            path = self._journal(rank)
        except ValueError:
            return -1
        tail, last = self._tails.setdefault(path, (JournalTail(path), [-1]))
        last[:] = [*last, *(event.step for event in tail.poll() if event.kind == "step_begin")][-1:]
        return last[0]


@dataclass(frozen=True)
class Done:
    run: RunFolder
    outcome: Outcome
    digest: str
    notes: list[str]


def train(folder: Path, plan: Plan) -> Done:
    """A whole run by this plan."""
    digest = folder / "digest"
    digest.unlink(missing_ok=True)
    options = {"way": plan.way, "steps": STEPS, "every": plan.every, "digest": str(digest)}
    spec = LaunchSpec(
        command=(sys.executable, str(SCRIPT), json.dumps(options)),
        num_ranks=plan.num_ranks,
        restarts=20,
        hang_after_ns=HANG_AFTER_NS,
        cwd=folder,
        faults=plan.faults,
        env={"OMP_NUM_THREADS": "1"},
    )
    run = create_run(list(spec.command), plan.num_ranks)
    printed: list[bytes] = []
    notes: list[str] = []
    saboteur = Saboteur(plan, run)

    def hear(note: str) -> None:
        notes.append(note)
        saboteur.hear(note)

    try:
        outcome = Launcher(spec, run, output=lambda *said: printed.append(said[2]), on_note=hear).run()
    finally:
        saboteur.close()
    assert outcome.exit_code == 0, (plan, notes, outcome, b"".join(printed).decode())
    return Done(run, outcome, digest.read_text(), notes)


pytestmark = pytest.mark.usefixtures("warm_nurseries")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Plan], str]]:
    """The hash of the weights of a run that is left alone, made once for each number of ranks and way."""
    known: dict[tuple[int, str], str] = {}

    def digest(plan: Plan) -> str:
        key = plan.num_ranks, "anomaly" if plan.way == "anomaly" else "loop"  # fit is such a loop
        if key not in known:
            folder = tmp_path_factory.mktemp("undisturbed")
            known[key] = train(folder, Plan(-1, *key, "1000step", (), (), {})).digest
        return known[key]

    return digest


def check(plan: Plan, folder: Path, undisturbed: Callable[[Plan], str]) -> None:
    """The same weights, an account that adds up, and each recovery with its phases."""
    done = train(folder, plan)
    assert done.digest == undisturbed(plan), (plan, done.notes)
    assert done.outcome.num_attempts > 1, (plan, done.notes)
    found = account(done.run)
    found.check()
    assert found.leaves.get("unknown", 0) <= 0.01 * found.allocated_ns, (plan, found.leaves)
    told = recoveries(read_history(done.run).events)
    begun = {path.name.partition(".")[0] for path in done.run.journal.glob("attempt-*.jsonl")}
    # An attempt that ended before any rank had begun it is part of the recovery after it.
    assert {f"attempt-{recovery.attempt}" for recovery in told} == begun - {"attempt-0"}
    for recovery in told:
        assert recovery.failed, recovery
        assert recovery.noticed_ns is not None, recovery
    last = told[-1]
    assert last.met_ns is not None, last
    # One who is killed after the last step leaves none to do.
    assert last.stepped_ns is not None or last.step == STEPS - 1, last
    assert last.restored_from != "nothing", last


@pytest.mark.parametrize("seed", [0])
def test_a_disturbed_run_ends_with_the_weights_of_one_left_alone(
    seed: int, tmp_path: Path, undisturbed: Callable[[Plan], str]
) -> None:
    check(plan_of(seed), tmp_path, undisturbed)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(20))
def test_a_run_disturbed_in_any_way_ends_with_the_weights_of_one_left_alone(
    seed: int, tmp_path: Path, undisturbed: Callable[[Plan], str]
) -> None:
    check(plan_of(seed), tmp_path, undisturbed)
