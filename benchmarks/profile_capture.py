"""What profiling costs a step that is not profiled, and one that is. Tiny network, AdamW, one thread: a step of 0.2 ms.

Off, all there is are comparisons in each step, timed by themselves in a loop, and a thread that looks for a file once a
second; the loop goes twenty steps with that thread and twenty without, in turns.
"""

from __future__ import annotations

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from types import SimpleNamespace

NUM_TURNS, TURN = 302, 20
NUM_TESTS = 200_000
NUM_PROFILED = 20


def bench_off() -> dict[str, float]:
    """Seconds a step: its median, the comparisons in it, and how much longer it is while the thread listens."""
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        os.environ["DRIVETRAIN_HOME"] = home
        turns_s = _in_turns()
    with_s, without_s = turns_s[::2], turns_s[1::2]
    return {
        "step_s": statistics.median(without_s),
        "added_by_tests_s": _tests_s(),
        "added_by_listening_s": statistics.median(a - b for a, b in zip(with_s, without_s, strict=True)),
        "look_s": _look_s(),
    }


def bench_on() -> dict[str, float]:
    """Seconds a step, not profiled and profiled, and how long the rank stands still to begin and to end."""
    import torch

    import drivetrain as dt
    from drivetrain.store import read_captured

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        os.environ["DRIVETRAIN_HOME"] = home
        with dt.Run(device="cpu", clip=1.0) as run:
            run.profile(f"steps=500:{500 + NUM_PROFILED}")
            for _ in itertools.islice(_steps(run, 600), 600):
                pass
        (captured,) = read_captured(run.folder.profile)
    assert captured.before_ns is not None
    return {
        "off_s": captured.before_ns / 1e9,
        "on_s": captured.during_ns / 1e9,
        "held_up_s": captured.held_up_ns / 1e9,
    }


def _in_turns() -> list[float]:
    """The median step of each turn; in every other one, from the first on, the thread listens."""
    import drivetrain as dt

    medians_s: list[float] = []
    with dt.Run(device="cpu", clip=1.0) as run:
        loop = _steps(run, NUM_TURNS * TURN)
        for turn in range(NUM_TURNS):
            listens = turn % 2 == 0
            times = list(itertools.islice(loop, TURN))
            if turn >= 2:  # the first are slower than the others
                medians_s.append(statistics.median(after - before for before, after in itertools.pairwise(times)))
            profiling = run._workings.profiling
            if listens:
                profiling.close(keep=True)
            else:
                profiling._closed.clear()
                assert profiling._subject is not None
                profiling.begin(profiling._subject)
    return medians_s


def _steps(run, num_steps: int) -> Iterator[float]:  # type: ignore[no-untyped-def]
    import torch
    from torch import nn

    torch.manual_seed(0)
    x = torch.randn(32, 64)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 1))
    model, _, batches = run.setup(model, torch.optim.AdamW(model.parameters(), 1e-3), [x])
    for batch in run.steps(batches, until=num_steps):
        run.step(model(batch).square().mean())
        yield time.perf_counter()


def _tests_s() -> float:
    """The comparison of the loop and the two looks at the recorder's listener that a step makes, less an empty loop."""
    loop, recorder = SimpleNamespace(next_step=2**62), SimpleNamespace(listener=None)
    began_s = time.perf_counter()
    for step in range(NUM_TESTS):
        if step >= loop.next_step:
            raise AssertionError
        if recorder.listener is not None:
            raise AssertionError
        if recorder.listener is not None:
            raise AssertionError
    middle_s = time.perf_counter()
    for _ in range(NUM_TESTS):
        pass
    return (2 * middle_s - began_s - time.perf_counter()) / NUM_TESTS


def _look_s() -> float:
    """The thread's look at the file, once a second."""
    from drivetrain.store import RunFolder, home

    request = RunFolder(home() / "runs" / "run-x").profile_request
    began_s = time.perf_counter()
    for _ in range(1000):
        request.exists()
    return (time.perf_counter() - began_s) / 1000
