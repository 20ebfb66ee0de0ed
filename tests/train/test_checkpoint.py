"""Checkpoints of a run: written whole, read safely, refused when they do not fit."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from tests import warm_nursery
from torch import nn

import drivetrain as dt
from drivetrain.core.errors import CheckpointError, CheckpointUnread, UsageError
from drivetrain.store import (
    RunFolder,
    checkpoint_folder,
    create_run,
    list_checkpoints,
    read_checkpoint,
    run_folder,
    shelf_of,
    verify_checkpoint,
)
from drivetrain.store.writer_process import WriterProcess
from drivetrain.store.writing import Job

SCRIPT = Path(__file__).with_name("tiny_training.py")
X = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def folder(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run whose attempts the test makes one after the other."""
    made = create_run([], 1)
    monkeypatch.setenv("DRIVETRAIN_RUN", made.id)
    return made


@contextmanager
def next_attempt() -> Iterator[None]:
    """What the launcher tells a rank that it starts once more."""
    num_before = len(list(run_folder(os.environ["DRIVETRAIN_RUN"]).journal.glob("*")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRIVETRAIN_ATTEMPT", str(num_before))
        yield


def train(until: int, *, network: nn.Module | None = None, ema: float | None = None, lr: float = 0.1) -> nn.Module:
    with next_attempt(), dt.Run(checkpoint=dt.Checkpoint(every="2step", keep=2), ema=ema) as run:
        network = network or nn.Linear(3, 1)
        optimizer = torch.optim.AdamW(network.parameters(), lr=lr)
        model, _, batches = run.setup(network, optimizer, [X])
        for x in run.steps(batches, until=until):
            run.step(model(x).square().mean())
        return network


@pytest.mark.filterwarnings("ignore:reading and skipping")
def test_the_newest_are_kept_and_the_last_step_is_always_saved(folder: RunFolder) -> None:
    train(7)
    assert list_checkpoints(folder.checkpoints) == [6, 7]
    assert not list(folder.checkpoints.glob("*.incomplete"))
    train(9)
    assert list_checkpoints(folder.checkpoints) == [8, 9]


def test_the_manifest_names_every_file_and_the_exactness(folder: RunFolder) -> None:
    train(2, ema=0.9)
    path = checkpoint_folder(folder.checkpoints, 2)
    manifest = read_checkpoint(path)
    assert (manifest.step, manifest.world_size, manifest.tier) == (2, 1, "bitwise")
    assert {*manifest.files, *manifest.shards} == {item.name for item in path.iterdir()} - {"manifest.json"}
    assert manifest.versions["torch"] == torch.__version__


@pytest.mark.filterwarnings("ignore:reading and skipping")
def test_a_damaged_checkpoint_is_passed_over_loudly_and_the_weights_still_agree(folder: RunFolder) -> None:
    expected = train(6).weight
    file = next(checkpoint_folder(folder.checkpoints, 6).glob("rank-*"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.warns(UserWarning, match=r"not resumed from: .*step 6.*rank-00000.safetensors was altered"):
        resumed = train(6)
    assert torch.equal(resumed.weight, expected)
    assert list_checkpoints(folder.checkpoints) == [4, 6]


@pytest.mark.filterwarnings("ignore:reading and skipping")
@pytest.mark.parametrize("earlier", [True, False])
def test_a_checkpoint_that_cannot_be_read_just_now_ends_the_run_and_stays(folder: RunFolder, earlier: bool) -> None:
    train(4)
    if not earlier:
        shutil.rmtree(checkpoint_folder(folder.checkpoints, 2))
    file = next(checkpoint_folder(folder.checkpoints, 4).glob("rank-*"))
    kept = file.rename(file.with_name("kept"))
    file.symlink_to(file)  # opening it fails, but not for want of a file
    with pytest.raises(CheckpointUnread, match=r"step 4: .*rank-00000.safetensors cannot be read"):
        train(6)
    kept.rename(file)
    train(6)
    assert list_checkpoints(folder.checkpoints) == [4, 6]


@pytest.mark.filterwarnings("ignore:not resumed from")
def test_without_any_whole_checkpoint_it_begins_anew(folder: RunFolder) -> None:
    expected = train(2).weight
    next(checkpoint_folder(folder.checkpoints, 2).glob("rank-*")).unlink()
    assert torch.equal(train(2).weight, expected)


def test_a_changed_model_is_refused_with_the_names_that_differ(folder: RunFolder) -> None:
    train(2, network=nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1)))
    with pytest.raises(UsageError) as caught:
        train(4, network=nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2, bias=False), nn.LayerNorm(2)))
    for line in (
        "reshaped: 0.weight is (4, 3) in the checkpoint and (5, 3) now",
        "missing in the checkpoint: 2.bias (2,)",
        "only in the checkpoint: 1.bias (1,)",
    ):
        assert line in caught.value.message


@pytest.mark.filterwarnings("ignore:reading and skipping")
def test_another_optimizer_or_schedule_is_refused(folder: RunFolder) -> None:
    def go(kind: type[torch.optim.Optimizer], schedule: type, until: int, **settings: float) -> None:
        with next_attempt(), dt.Run(checkpoint=dt.Checkpoint(every="2step")) as run:
            network = nn.Linear(3, 1)
            optimizer = kind(network.parameters(), **settings)
            model, _, batches = run.setup(network, optimizer, [X], schedule=schedule(optimizer, 5))
            for x in run.steps(batches, until=until):
                run.step(model(x).square().mean())

    step, cosine = torch.optim.lr_scheduler.StepLR, torch.optim.lr_scheduler.CosineAnnealingLR
    go(torch.optim.AdamW, step, 2)
    with pytest.raises(UsageError, match="the optimizer is a SGD, and that of the checkpoint a AdamW"):
        go(torch.optim.SGD, step, 4)
    with pytest.raises(UsageError, match="the schedule is a CosineAnnealingLR, and that of the checkpoint a StepLR"):
        go(torch.optim.AdamW, cosine, 4)
    with pytest.warns(UserWarning, match=r"initial_lr of group 0 is 0.001, not 0.5$"):
        go(torch.optim.AdamW, step, 4, lr=0.5)


def test_a_position_in_another_kind_of_loader_is_refused(folder: RunFolder) -> None:
    class Placed(list):
        def state_dict(self) -> dict[str, int]:
            return {}

        def load_state_dict(self, state: dict[str, int]) -> None:
            pass

    def go(loader: list, until: int) -> None:
        with next_attempt(), dt.Run(checkpoint=dt.Checkpoint(every="2step")) as run:
            network = nn.Linear(3, 1)
            model, _, batches = run.setup(network, torch.optim.SGD(network.parameters()), loader)
            for x in run.steps(batches, until=until):
                run.step(model(x).square().mean())

    go([X], 2)
    with pytest.raises(UsageError, match="another kind of loader than this Placed"):
        go(Placed([X]), 4)
    shutil.rmtree(checkpoint_folder(folder.checkpoints, 2))
    go(Placed([X]), 2)
    with pytest.raises(UsageError, match="another kind of loader than this list"):
        go([X], 4)


def test_an_average_that_was_not_saved_is_refused(folder: RunFolder) -> None:
    train(2)
    with pytest.raises(UsageError, match="no average"):
        train(4, ema=0.9)


def test_a_state_that_a_checkpoint_cannot_hold_is_told_and_leaves_nothing(folder: RunFolder) -> None:
    class Loader(list):
        def state_dict(self):
            return {"place": object()}

        def load_state_dict(self, state):
            pass

    with next_attempt(), dt.Run(checkpoint=dt.Checkpoint(every="1step")) as run:
        network = nn.Linear(3, 1)
        model, _, batches = run.setup(network, torch.optim.SGD(network.parameters()), Loader([X]))
        with pytest.raises(CheckpointError, match="feed/loader/place is a object"):  # noqa: PT012 - the loop raises
            for x in run.steps(batches, until=2):
                run.step(model(x).mean())
    assert not list(folder.checkpoints.glob("*"))


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: torch.optim.AdamW([{"params": p[:1], "lr": 0.01}, {"params": p[1:]}], lr=0.1, amsgrad=True),
        lambda p: torch.optim.Adagrad(p, lr=0.1),
    ],
)
@pytest.mark.parametrize(
    "plan",
    [
        lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [2, 5]),
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, max_lr=0.2, total_steps=9, cycle_momentum=False),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 3),
        lambda o: torch.optim.lr_scheduler.SequentialLR(
            o,
            [torch.optim.lr_scheduler.LinearLR(o, 0.1, total_iters=3), torch.optim.lr_scheduler.ExponentialLR(o, 0.9)],
            milestones=[3],
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:reading and skipping")
@pytest.mark.filterwarnings("ignore:The epoch parameter")
def test_optimizers_and_schedules_of_torch_go_on_exactly(own_home: Path, monkeypatch, make, plan) -> None:
    def go(attempts: list[int]) -> tuple[list[float], float]:
        monkeypatch.setenv("DRIVETRAIN_RUN", create_run([], 1).id)
        for until in attempts:
            with next_attempt(), dt.Run(checkpoint=dt.Checkpoint(every="50step")) as run:
                network = nn.Linear(3, 1)
                optimizer = make(list(network.parameters()))
                schedule = plan(optimizer)
                model, _, batches = run.setup(network, optimizer, [X], schedule=schedule)
                for x in run.steps(batches, until=until):
                    run.step(model(x).square().mean())
        return [*network.weight.flatten().tolist(), *(group["lr"] for group in optimizer.param_groups)]

    assert go([3, 5, 8]) == go([8])


def ranks(folder: RunFolder, num_ranks: int, **options: object) -> subprocess.CompletedProcess[str]:
    command = [*warm_nursery.drivetrain(), "run", "--run", folder.id, "--ranks", str(num_ranks), "--"]
    env = {name: value for name, value in os.environ.items() if name != "DRIVETRAIN_RUN"}
    given = json.dumps({"steps": 8, "every": "4step", "digest": os.devnull, **options})
    command += [sys.executable, str(SCRIPT), given]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=90, check=False)


def test_a_disk_that_fills_up_in_mid_save_ends_all_ranks_and_spares_earlier_checkpoints(own_home: Path) -> None:
    folder = create_run([], 2)
    first = ranks(folder, 2, width=3000)
    assert first.returncode == 0, first.stderr
    before = {path: path.stat().st_mtime_ns for path in folder.checkpoints.rglob("*")}
    done = ranks(folder, 2, width=3000, steps=12, fail="disk")
    assert done.returncode == 74, done.stdout + done.stderr
    for rank in (0, 1):
        assert f"[rank {rank}] error: checkpoint of step 12 was not written: rank 0: cannot write" in done.stderr
    assert "step-00000012.incomplete: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert {path: path.stat().st_mtime_ns for path in folder.checkpoints.rglob("*")} == before


def test_on_other_numbers_of_ranks_the_samples_stay_and_the_manifest_says_so(own_home: Path) -> None:
    folder = create_run([], 2)
    assert ranks(folder, 2).returncode == 0
    assert read_checkpoint(checkpoint_folder(folder.checkpoints, 8)).tier == "bitwise"
    shutil.rmtree(checkpoint_folder(folder.checkpoints, 8))
    done = ranks(folder, 1)
    assert done.returncode == 0, done.stderr
    manifest = read_checkpoint(checkpoint_folder(folder.checkpoints, 8))
    assert (manifest.tier, manifest.world_size) == ("samples", 1)


@pytest.mark.slow
def test_a_loader_that_cannot_divide_its_samples_anew_is_refused(own_home: Path) -> None:
    folder = create_run([], 2)
    assert ranks(folder, 2, loader="stateful").returncode == 0
    done = ranks(folder, 1, loader="stateful", steps=12)
    assert done.returncode == 2
    assert "written by 2 ranks, there are 1 now" in done.stderr


def killed(num_kills: int, seed: int) -> dict[str, int]:
    script = Path(__file__).with_name("killed_often.py")
    command = [sys.executable, str(script), str(num_kills), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=850, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_two_hundred_times_at_random_it_always_leaves_a_checkpoint_that_is_whole(own_home: Path) -> None:
    found = killed(200, seed=0)
    assert found["unfinished"] > 10, "the kills did not strike within saves"
    assert found["step"] > 100


def trained(choice: dt.Checkpoint, until: int, spoil: int = -1) -> None:
    """Train some steps; before step `spoil` a weight becomes infinite."""
    with next_attempt(), dt.Run(checkpoint=choice, device="cpu") as run:
        network = nn.Linear(3, 1)
        model, _, batches = run.setup(network, torch.optim.SGD(network.parameters(), lr=0.1), [X])
        for x in run.steps(batches, until=until):
            run.step(model(x).square().mean())
            run.log(loss=abs(run.step_index - 3))
            if run.step_index == spoil:
                network.weight.data[0, 0] = float("inf")


@pytest.mark.filterwarnings("ignore:reading and skipping")
def test_weights_that_are_not_finite_are_never_gone_on_from(folder: RunFolder) -> None:
    trained(dt.Checkpoint(every="1step", keep=1, wait=True), 4, spoil=3)
    found = {step: read_checkpoint(checkpoint_folder(folder.checkpoints, step)).finite for step in (2, 4)}
    assert found == {2: True, 4: False}
    with pytest.warns(UserWarning, match="not resumed from: checkpoint of step 4: its weights are not finite"):
        trained(dt.Checkpoint(every="10step"), 4)
    assert read_checkpoint(checkpoint_folder(folder.checkpoints, 4)).finite


def test_the_best_by_a_metric_stays(folder: RunFolder) -> None:
    trained(dt.Checkpoint(every="1step", keep=1, best="loss"), 6)
    assert list_checkpoints(folder.checkpoints) == [3, 6]


def test_a_metric_that_is_not_a_number_is_never_the_best_and_stops_no_save(folder: RunFolder) -> None:
    losses = {2: float("nan"), 4: float("-inf"), 5: 1.0}
    with next_attempt(), dt.Run(checkpoint=dt.Checkpoint(every="1step", keep=1, best="loss"), device="cpu") as run:
        network = nn.Linear(3, 1)
        model, _, batches = run.setup(network, torch.optim.SGD(network.parameters(), lr=0.1), [X])
        for x in run.steps(batches, until=8):
            run.step(model(x).square().mean())
            run.log(loss=losses.get(run.step_index, 2.0))
    assert list_checkpoints(folder.checkpoints) == [5, 8]
    assert read_checkpoint(checkpoint_folder(folder.checkpoints, 5)).metrics == {"loss": 1.0}


def test_failed_saves_are_told_and_so_many_in_a_row_let_pass(folder: RunFolder, monkeypatch) -> None:
    folder.checkpoints.mkdir()
    (folder.checkpoints / "step-00000001").write_text("in the way")
    with pytest.raises(CheckpointError, match="checkpoint of step 1 was not written"):
        trained(dt.Checkpoint(every="1step"), 3)
    with pytest.warns(UserWarning, match="checkpoint of step 1 was not written"):
        trained(dt.Checkpoint(every="1step", failures=1), 3)
    assert list_checkpoints(folder.checkpoints) == [2, 3]


def test_where_saves_are_waited_for_so_many_may_fail_too(folder: RunFolder) -> None:
    folder.checkpoints.mkdir()
    (folder.checkpoints / "step-00000001").write_text("in the way")
    with pytest.warns(UserWarning, match="checkpoint of step 1 was not written"):
        trained(dt.Checkpoint(every="1step", failures=1, wait=True), 3)
    assert list_checkpoints(folder.checkpoints) == [2, 3]


@pytest.mark.parametrize("name", ["step-00000002", "step-00000002.incomplete"])
@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.filterwarnings("ignore:checkpoint of step 2 was not written")
def test_the_last_step_is_saved_or_the_run_has_failed(folder: RunFolder, name: str, wait: bool) -> None:
    folder.checkpoints.mkdir()
    (folder.checkpoints / name).write_text("in the way")
    with pytest.raises(CheckpointError, match="checkpoint of step 2 was not written"):
        trained(dt.Checkpoint(every="1step", failures=5, wait=wait), 2)
    assert list_checkpoints(folder.checkpoints) == [1]


def writer_pid() -> int:
    """Of the one writer of this process; its name is not to be seen in the very moment of its start."""
    for _ in range(10_000):
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
        found = [each for each in children if b"store.writer" in Path(f"/proc/{each}/cmdline").read_bytes()]
        if found:
            (pid,) = found
            return int(pid)
    raise AssertionError("no writer was started")


class KilledInSave(WriterProcess):
    """A writer that is killed in the saves of `steps`, before it has written anything."""

    steps: tuple[int, ...] = ()

    def give(self, job: Job) -> None:
        if job.step not in self.steps:
            super().give(job)
            return
        KilledInSave.steps = tuple(step for step in self.steps if step != job.step)
        os.kill(writer_pid(), signal.SIGSTOP)
        super().give(job)
        os.kill(writer_pid(), signal.SIGKILL)


@pytest.fixture
def killed_in_saves(monkeypatch: pytest.MonkeyPatch) -> type[KilledInSave]:
    monkeypatch.setattr("drivetrain.train.checkpoint.WriterProcess", KilledInSave)
    monkeypatch.setattr(KilledInSave, "steps", ())
    return KilledInSave


@pytest.mark.parametrize("wait", [False, True])
def test_a_writer_that_is_killed_costs_the_save_in_flight_and_no_other(
    folder: RunFolder, killed_in_saves: type[KilledInSave], wait: bool
) -> None:
    killed_in_saves.steps = (2, 4)
    with pytest.warns(UserWarning, match="step [24] was not written: .*ended with code -9; another process") as told:
        trained(dt.Checkpoint(every="1step", keep=9, wait=wait), 4)
    assert len(told) == 2
    assert list_checkpoints(folder.checkpoints) == [1, 3, 4]  # the last one is made once more


def test_two_writers_killed_in_a_row_are_a_failed_save_and_no_full_disk(
    folder: RunFolder, killed_in_saves: type[KilledInSave]
) -> None:
    killed_in_saves.steps = (2, 3)
    with pytest.warns(UserWarning, match="step 2 was not written"), pytest.raises(CheckpointError) as caught:
        trained(dt.Checkpoint(every="1step", keep=9), 5)
    assert caught.value.message.startswith("checkpoint of step 3 was not written: ")
    assert "disk" not in str(caught.value)
    assert list_checkpoints(folder.checkpoints) == [1]


def test_a_writer_that_is_killed_between_saves_costs_none(folder: RunFolder) -> None:
    def train_on() -> None:
        with next_attempt(), dt.Run(checkpoint=dt.Checkpoint(every="2step", wait=True), device="cpu") as run:
            network = nn.Linear(3, 1)
            model, _, batches = run.setup(network, torch.optim.SGD(network.parameters(), lr=0.1), [X])
            for x in run.steps(batches, until=6):
                run.step(model(x).square().mean())
                if run.step_index == 3:
                    pid = writer_pid()
                    os.kill(pid, signal.SIGKILL)
                    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

    with pytest.warns(UserWarning, match="ended with code -9; another writes the checkpoint of step 4"):
        train_on()
    assert list_checkpoints(folder.checkpoints)[-2:] == [4, 6]


@pytest.mark.filterwarnings("ignore:reading and skipping")
def test_a_run_saves_to_a_bucket_and_goes_on_from_it(folder: RunFolder, s3: str) -> None:
    choice = dt.Checkpoint(every="2step", keep=2, to=s3)
    trained(choice, 5)
    shelf = shelf_of(folder.checkpoints)
    assert shelf.address == f"{s3}/{folder.id}"
    assert shelf.steps() == [4, 5]
    assert list_checkpoints(folder.checkpoints) == []
    with next_attempt(), dt.Run(checkpoint=choice, device="cpu") as run:
        network = nn.Linear(3, 1)
        run.setup(network, torch.optim.SGD(network.parameters(), lr=0.1), [X])
        assert run.step_index == 5
    assert verify_checkpoint(shelf, 5).tier == "bitwise"


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("/proc/nowhere", "checkpoints cannot be written to /proc/nowhere/"),
        ("s3://bucket?endpoint=http://a.example", "no address in a bucket"),
        ("ftp://there", "no place for checkpoints"),
    ],
)
def test_a_place_that_takes_no_checkpoints_is_told_before_the_first_step(
    folder: RunFolder, to: str, words: str
) -> None:
    network = nn.Linear(3, 1)
    with (
        pytest.raises(UsageError, match=re.escape(words)),
        dt.Run(checkpoint=dt.Checkpoint(to=to), device="cpu") as run,
    ):
        run.setup(network, torch.optim.SGD(network.parameters(), lr=0.1), [X])
