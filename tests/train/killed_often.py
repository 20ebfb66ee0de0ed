"""`killed_often.py NUM SEED`: a run that saves at every step is killed NUM times, each time at a random moment.

Each attempt is a fork of this process, which has imported torch. After each kill the newest checkpoint must be whole.
Prints one JSON object: how many kills, how many of them left an unfinished save, and the last step.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import warnings
from typing import NoReturn

import torch
import torch._dynamo  # an optimizer imports it; for a fork that is nearly all of its life
from torch import nn

import drivetrain as dt
from drivetrain.store import Shelf, create_run, newest_good, shelf_of, verify_checkpoint
from drivetrain.train import saving as saving  # imported once, before the forks


def attempt(number: int) -> NoReturn:
    """Train and save until killed."""
    os.environ["DRIVETRAIN_ATTEMPT"] = str(number)
    warnings.simplefilter("ignore")
    run = dt.Run(checkpoint=dt.Checkpoint(every="1step", keep=2), device="cpu")
    network = nn.Linear(512, 512)
    model, _, batches = run.setup(network, torch.optim.AdamW(network.parameters()), [torch.ones(1, 512)])
    for x in run.steps(batches, until=1_000_000):
        run.step(model(x).square().mean())
    os._exit(1)


def main() -> None:
    num_kills, seed = int(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    drawn = random.Random(seed)
    run = create_run([], 1)
    os.environ["DRIVETRAIN_RUN"] = run.id
    shelf = shelf_of(run.checkpoints)
    num_unfinished = step = 0
    for number in range(num_kills):
        pid = os.fork()
        if pid == 0:
            attempt(number)
        if number % 3 == 0:
            time.sleep(drawn.uniform(0.0, 0.5))  # anywhere, the start too
        if number % 3 or number == 0:
            _wait_for_progress(shelf, step, pid)
            time.sleep(drawn.uniform(0.0, 0.1))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        num_unfinished += any(run.checkpoints.glob("*.incomplete"))
        newest = newest_good(shelf, on_bad=_refuse)
        assert newest is not None, f"no checkpoint is left after kill {number}"
        assert newest.step >= step, f"it went back from step {step} to {newest.step}"
        step = verify_checkpoint(shelf, newest.step).step
    print(json.dumps({"kills": num_kills, "unfinished": num_unfinished, "step": step}))


def _wait_for_progress(shelf: Shelf, step: int, pid: int) -> None:
    """Until there is a newer checkpoint than `step`: from then on it saves without pause."""
    while not any(newer > step for newer in shelf.steps()):
        assert os.waitpid(pid, os.WNOHANG) == (0, 0), "the training ended by itself"
        time.sleep(0.005)


def _refuse(problem: Exception) -> None:
    raise AssertionError(f"a checkpoint that was visible is not whole: {problem}")


if __name__ == "__main__":
    main()
