"""SIGKILL of one rank to the next step of the resumed run, ours beside torchrun's, on a tiny DDP model.

Ours runs a script with `dt.Run`, once with a loader that knows the samples of each step, so that the state comes from a
survivor's memory, and once with one that has a state of its own, so that it comes from the newest checkpoint; torchrun
one that keeps its own checkpoint with `torch.save`, which is less work. All save every 5 steps. Each kill waits until
all ranks have taken 10 steps of the attempt, and strikes them in turn; the clock stops when all have done a step of a
later attempt. For a hang the signal is SIGSTOP, and the time includes its detection.
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

NUM_SAMPLES = 1  # of many kills each
NUM_CORES = 0
LIMIT_S = 3600
NUM_KILLS = 100
NUM_KILLS_MORE = 30  # of the rows beside the first
NUM_HANGS = 10
NUM_KILLS_TORCHRUN = 5
HANG_AFTER = "1s"
STEPS_BETWEEN = 10
TAIL_BYTES = 16 << 10
HUNG_S = 60.0  # a recovery that takes longer counts as hung

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


class Ordered:
    global_batch, num_microbatches = 32, 1

    def bind(self, *, rank, world_size):
        self.num = self.global_batch // world_size

    def seek(self, step):
        self.step = step

    def __iter__(self):
        while True:
            yield torch.randn(self.num, 64)

    def close(self):
        pass


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
model, optimizer, batches = run.setup(network, torch.optim.AdamW(network.parameters()), LOADER())
lines = os.open(folder / "steps", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for batch in run.steps(batches, until=10**9):
    run.step(model(batch).square().mean())
    os.write(lines, f"{run.attempt} {run.rank} {os.getpid()} {time.monotonic_ns()}\\n".encode())
    if (folder / "stop").exists():
        os._exit(0)
    time.sleep(0.005)
"""


_FROM_MEMORY, _FROM_CHECKPOINT = _RUN.replace("LOADER", "Ordered"), _RUN.replace("LOADER", "Batches")


def bench_from_memory(ranks=(2, 4)) -> dict[str, float]:
    """Seconds from the signal to the end of the first step of the next attempt, the state taken from a survivor."""
    num_kills = NUM_KILLS if ranks == 2 else NUM_KILLS_MORE
    return _figures(_recoveries(_ours(ranks), _FROM_MEMORY, num_kills, num_ranks=ranks))


def bench_from_checkpoint() -> dict[str, float]:
    """The same, the state read from the newest checkpoint."""
    return _figures(_recoveries(_ours(2), _FROM_CHECKPOINT, NUM_KILLS_MORE))


def bench_hang() -> dict[str, float]:
    """The same for a rank that is stopped, and has to be found to hang."""
    return _figures(_recoveries(_ours(2), _FROM_MEMORY, NUM_HANGS, signum=signal.SIGSTOP))


def bench_torchrun() -> dict[str, float]:
    """The peer: one launch for each kill, as after a second one torchrun did not come back within minutes."""
    times_s = []
    for kill in range(NUM_KILLS_TORCHRUN):
        times_s += _recoveries(_TORCHRUN, _PLAIN, 1, first_rank=kill % 2)
    return _figures(times_s)


def _ours(num_ranks: int) -> list[str]:
    options = ["--ranks", str(num_ranks), "--restarts", "1000", "--hang-after", HANG_AFTER]
    return ["-m", "drivetrain", "run", *options, "--", sys.executable]


def _figures(times_s: Sequence[float]) -> dict[str, float]:
    ordered_s = sorted(times_s)
    return {
        "recovery_s": statistics.median(ordered_s),
        "recovery_p99_s": ordered_s[min(len(ordered_s) - 1, int(0.99 * len(ordered_s)))],
        "recovery_max_s": ordered_s[-1],
        "num_hung": sum(time_s >= HUNG_S for time_s in times_s),
        "num_kills": len(times_s),
    }


def _recoveries(
    command: list[str],
    source: str,
    num_kills: int,
    *,
    num_ranks: int = 2,
    first_rank: int = 0,
    signum: int = signal.SIGKILL,
) -> list[float]:
    """Start the script with this launcher and signal a rank so often, in turn; stops at the first one that hangs."""
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
                rank = (first_rank + len(times_s)) % num_ranks
                times_s.append(_recovery_s(folder / "steps", rank, num_ranks, signum))
        finally:
            (folder / "stop").touch()
            _end(process)
    return times_s


def _recovery_s(steps: Path, rank: int, num_ranks: int, signum: int) -> float:
    """Signal a rank once all are on their way; the time until all have done a step of a later attempt."""
    ranks = range(num_ranks)
    if not _comes_true(lambda: all(len(_latest(steps, each)) >= STEPS_BETWEEN for each in ranks)):
        return HUNG_S
    attempt, pid, _ = _latest(steps, rank)[-1]
    killed_ns = time.monotonic_ns()
    os.kill(pid, signum)
    if not _comes_true(lambda: all(_latest(steps, each)[-1][0] > attempt for each in ranks)):
        return HUNG_S
    return (max(_latest(steps, each)[0][2] for each in ranks) - killed_ns) / 1e9


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
    with steps.open("rb") as file:
        start = max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES)  # all of it would take the ranks' processor time
        file.seek(start)
        whole = file.read().decode().splitlines()[1 if start else 0 :]
    lines = [tuple(map(int, line.split())) for line in whole]
    done = [(attempt, pid, at_ns) for attempt, of_rank, pid, at_ns in lines if of_rank == rank]
    return [step for step in done if step[0] == done[-1][0]]
