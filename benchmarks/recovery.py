"""SIGKILL of one rank to the next step of the resumed run, ours beside torchrun's, on a tiny DDP model.

Ours runs a script with `dt.Run`; torchrun one that keeps its own checkpoint with `torch.save`, which is less work. Both
save every 5 steps. Each kill waits until both ranks have taken 10 steps of the attempt, and strikes ranks 0 and 1 in
turn; the clock stops when both have done a step of a later attempt.

    python -m benchmarks.recovery
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

NUM_KILLS_OURS = 50
NUM_KILLS_TORCHRUN = 5
STEPS_BETWEEN = 10
HUNG_S = 60.0  # a recovery that takes longer counts as hung

_OURS = ["-m", "drivetrain", "run", "--ranks", "2", "--restarts", "1000", "--", sys.executable]
_TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "1000"]

_PLAIN = """
import os, sys, time
from pathlib import Path
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

folder = Path(sys.argv[1])
dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
model = DistributedDataParallel(torch.nn.Linear(64, 64))
optimizer = torch.optim.AdamW(model.parameters())
step, checkpoint = 0, folder / "checkpoint.pt"
if checkpoint.exists():
    state = torch.load(checkpoint)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    step = state["step"]
lines = os.open(folder / "steps", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
attempt = os.environ["TORCHELASTIC_RESTART_COUNT"]
while not (folder / "stop").exists():
    optimizer.zero_grad()
    model(torch.randn(8, 64)).square().mean().backward()
    optimizer.step()
    os.write(lines, f"{attempt} {rank} {os.getpid()} {time.monotonic_ns()}\\n".encode())
    step += 1
    if rank == 0 and step % 5 == 0:
        aside = folder / "aside.pt"
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, aside)
        aside.replace(checkpoint)
    time.sleep(0.005)
os._exit(0)  # ranks see the stop file at different steps: leave without waiting for each other
"""


_RUN = """import os, sys, time
from pathlib import Path
import torch
import drivetrain as dt

folder = Path(sys.argv[1])


class Batches:
    position = 0

    def __iter__(self):
        while True:
            self.position += 1
            yield torch.randn(8, 64)

    def state_dict(self):
        return {"position": self.position}

    def load_state_dict(self, state):
        self.position = state["position"]


run = dt.Run(checkpoint=dt.Checkpoint(every="5step", keep=2))
network = torch.nn.Linear(64, 64)
model, optimizer, batches = run.setup(network, torch.optim.AdamW(network.parameters()), Batches())
lines = os.open(folder / "steps", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for batch in run.steps(batches, until=10**9):
    run.step(model(batch).square().mean())
    os.write(lines, f"{run.attempt} {run.rank} {os.getpid()} {time.monotonic_ns()}\\n".encode())
    if (folder / "stop").exists():
        os._exit(0)
    time.sleep(0.005)
"""


def run() -> list[tuple[str, str, str]]:
    """Seconds from the kill to the end of the first step of the next attempt."""
    ours = _recoveries(_OURS, _RUN, NUM_KILLS_OURS)
    # One launch for each kill: after a second kill of one launch, torchrun did not come back within minutes.
    theirs = [
        time_s
        for kill in range(NUM_KILLS_TORCHRUN)
        for time_s in _recoveries(_TORCHRUN, _PLAIN, 1, first_rank=kill % 2)
    ]
    return [
        ("SIGKILL of one of 2 ranks to the next step, first 20 kills", _figure(ours[:20]), "median at most 1.5 s"),
        (f"the same, {NUM_KILLS_OURS} kills in a row", _figure(ours), "none may hang"),
        (f"torchrun --standalone, plain script, {NUM_KILLS_TORCHRUN} kills", _figure(theirs), "for comparison"),
    ]


def _figure(times_s: Sequence[float]) -> str:
    ordered_s = sorted(times_s)
    p90_s = ordered_s[min(len(ordered_s) - 1, int(0.9 * len(ordered_s)))]
    num_hung = sum(time_s >= HUNG_S for time_s in times_s)
    return f"median {statistics.median(ordered_s):.2f}, p90 {p90_s:.2f}, max {ordered_s[-1]:.2f} s, {num_hung} hung"


def _recoveries(command: list[str], source: str, num_kills: int, *, first_rank: int = 0) -> list[float]:
    """Start the script with this launcher and kill a rank so often, in turn; stops at the first recovery that hangs."""
    times_s: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = folder / "train.py"
        script.write_text(source, encoding="utf-8")
        env = {**os.environ, "DRIVETRAIN_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            [sys.executable, *command, str(script), name], env=env, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            while len(times_s) < num_kills and HUNG_S not in times_s:
                times_s.append(_recovery_s(folder / "steps", rank=(first_rank + len(times_s)) % 2))
        finally:
            (folder / "stop").touch()
            _end(process)
    return times_s


def _recovery_s(steps: Path, *, rank: int) -> float:
    """Kill a rank once both are on their way; the time until both have done a step of a later attempt."""
    if not _comes_true(lambda: all(len(_latest(steps, each)) >= STEPS_BETWEEN for each in (0, 1))):
        return HUNG_S
    attempt, pid, _ = _latest(steps, rank)[-1]
    killed_ns = time.monotonic_ns()
    os.kill(pid, signal.SIGKILL)
    if not _comes_true(lambda: all(_latest(steps, each)[-1][0] > attempt for each in (0, 1))):
        return HUNG_S
    return (max(_latest(steps, each)[0][2] for each in (0, 1)) - killed_ns) / 1e9


def _comes_true(is_so: Callable[[], bool]) -> bool:
    deadline_s = time.monotonic() + HUNG_S
    while not is_so():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.02)
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait(timeout=60)


def _latest(steps: Path, rank: int) -> list[tuple[int, int, int]]:
    """(attempt, pid, monotonic ns) of the steps that a rank has done in its latest attempt, oldest first."""
    if not steps.exists():
        return []
    lines = [tuple(map(int, line.split())) for line in steps.read_text().splitlines()]
    done = [(attempt, pid, at_ns) for attempt, of_rank, pid, at_ns in lines if of_rank == rank]
    return [step for step in done if step[0] == done[-1][0]]


if __name__ == "__main__":
    for row in run():
        print(*row, sep="  ·  ")
