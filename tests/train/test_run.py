"""`Run` in one process, with nothing around it."""

from __future__ import annotations

import dataclasses
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

import drivetrain as dt
from drivetrain.core.errors import ConfigError, DataError, UsageError
from drivetrain.report.listing import list_lines
from drivetrain.store import create_run, list_checkpoints

X = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))


def parts(num_out: int = 1) -> tuple[nn.Module, torch.optim.Optimizer]:
    network = nn.Linear(3, num_out)
    return network, torch.optim.SGD(network.parameters(), lr=0.1)


def train(run: dt.Run, until: int, loader: object = (X,)) -> nn.Module:
    network, optimizer = parts()
    model, _, batches = run.setup(network, optimizer, loader)
    for x in run.steps(batches, until=until):
        run.step(model(x).square().mean())
    return network


@pytest.mark.parametrize(
    ("loss_of", "words"),
    [
        (lambda y: y.square().mean().item(), "given a float, but takes the loss as a tensor"),
        (lambda y: y.square(), r"a loss of shape \(4, 1\), but takes one number"),
        (lambda y: y.square().mean().detach(), "a loss that depends on no weight"),
        (lambda y: taken(y.square().mean()), "whose gradient was taken already"),
    ],
)
def test_a_loss_that_no_step_can_be_made_of_is_told_in_words(own_home: Path, loss_of, words: str) -> None:
    with dt.Run(device="cpu") as run:
        model, _, batches = run.setup(*parts(), [X])
        for x in run.steps(batches, until=1):
            with pytest.raises(UsageError, match=words):
                run.step(loss_of(model(x)))
            break


def taken(loss: torch.Tensor) -> torch.Tensor:
    loss.backward()
    return loss


def test_it_is_a_run_of_its_own_with_a_folder_and_a_whole_account(own_home: Path) -> None:
    with dt.Run(name="mine") as run:
        train(run, 5)
        assert (run.rank, run.world_size, run.is_main, run.attempt, run.step_index) == (0, 1, True, 0, 5)
    assert run.folder.path == own_home / "runs" / run.id
    assert run.folder.manifest().name == "mine"
    account = dt.account(run.id)
    account.check()
    assert account.leaves["productive"] > 0
    assert account.leaves.get("unknown", 0) < 0.01 * account.allocated_ns


def test_the_folder_says_what_was_asked() -> None:
    with dt.Run(clip=2.0, checkpoint=dt.Checkpoint(keep=7)) as run:
        config = run.folder.manifest().config
    assert config["clip"] == 2.0
    assert config["checkpoint"] == dataclasses.asdict(dt.Checkpoint(keep=7))


def test_a_step_of_several_microbatches_is_the_step_of_the_whole_batch() -> None:
    class Loader:
        batch_size = 2

        def __iter__(self):
            return iter([X[:2], X[2:]])

    with dt.Run(global_batch=4) as run:
        split = train(run, 3, Loader())
    with dt.Run() as run:
        whole = train(run, 3)
    assert torch.allclose(split.weight, whole.weight, atol=1e-6)


def test_it_clips_schedules_and_averages_as_torch_does() -> None:
    def build():
        torch.manual_seed(5)
        network = nn.Linear(3, 1)
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
        return network, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)

    expected, optimizer, schedule = build()
    for _ in range(5):
        optimizer.zero_grad()
        (expected(X).square().mean() * 100).backward()
        nn.utils.clip_grad_norm_(expected.parameters(), 0.5)
        optimizer.step()
        schedule.step()
    with dt.Run(clip=0.5, ema=0.5) as run:
        network, optimizer, schedule = build()
        model, optimizer, batches = run.setup(network, optimizer, [X], schedule=schedule)
        for x in run.steps(batches, until=5):
            run.step(model(x).square().mean() * 100)
        with run.averaged(model):
            assert not torch.equal(network.weight, expected.weight)
    assert torch.equal(network.weight, expected.weight)
    assert optimizer.param_groups[0]["lr"] == 0.025


def test_the_same_seed_gives_the_same_weights() -> None:
    weights = []
    for seed in (1, 1, 2):
        with dt.Run(seed=seed) as run:
            weights.append(train(run, 2).weight.tolist())
    assert weights[0] == weights[1] != weights[2]


def test_logged_numbers_are_found_under_the_steps_finished() -> None:
    with dt.Run() as run:
        train(run, 3)
        run.log(loss=torch.tensor(0.5, requires_grad=True), rate=2)
        with pytest.raises(ValueError, match="vector has 2 values"):
            run.log(vector=torch.ones(2))
    text = next(run.folder.journal.iterdir()).read_text()
    assert '"step":3,"values":{"loss":0.5,"rate":2.0}' in text


def test_kept_files_stay_in_the_folder_of_the_run(tmp_path: Path) -> None:
    with dt.Run() as run:
        run.keep("held-out/003.jpg", b"jpeg")
        for name in ("../up.txt", "/tmp/x", "a/../../b", ""):
            with pytest.raises(ValueError, match="relative path"):
                run.keep(name, b"no")
    assert (run.folder.kept / "held-out" / "003.jpg").read_bytes() == b"jpeg"


def test_phases_are_checked_by_name() -> None:
    with dt.Run() as run:
        with run.phase("eval"):
            pass
        with pytest.raises(ValueError, match="no phase"):
            run.phase("lunch")


def test_mistakes_in_the_loop_are_told_and_not_computed_with() -> None:
    class Loader(list):
        batch_size = 4

    with dt.Run(global_batch=8) as run:
        with pytest.raises(UsageError, match=r"before run\.setup"):
            run.step(torch.zeros(()))
        network, optimizer = parts()
        model, _, batches = run.setup(network, optimizer, Loader([X]))
        with pytest.raises(UsageError, match="twice"):
            run.setup(network, optimizer, [X])
        with pytest.raises(UsageError, match="something else"):
            run.steps([X], until=2)
        for until in (-1, 2.5, "2"):
            with pytest.raises(UsageError, match="must be a whole number of steps"):
                run.steps(batches, until=until)
        with pytest.raises(UsageError, match="was not called"):
            list(run.steps(batches, until=2))
        with pytest.raises(UsageError, match="averaged weights"):
            run.averaged(model)
    with pytest.raises(UsageError, match="after"):
        run.steps(batches, until=2)


def test_calling_step_twice_for_a_batch_is_told() -> None:
    with dt.Run() as run:
        network, optimizer = parts()
        model, _, batches = run.setup(network, optimizer, [X])
        for x in run.steps(batches, until=1):
            run.step(model(x).mean())
            with pytest.raises(UsageError, match="twice for one batch"):
                run.step(model(x).mean())


def test_an_optimizer_of_other_parameters_is_refused_because_they_would_not_be_saved() -> None:
    with dt.Run() as run:
        network, _ = parts()
        stranger = nn.Parameter(torch.zeros(7))
        with pytest.raises(ConfigError, match=r"group 0 has 1 parameters .* \(7,\)"):
            run.setup(network, torch.optim.SGD([*network.parameters(), stranger], lr=0.1), [X])


def test_the_loop_may_be_left_and_entered_again() -> None:
    with dt.Run() as run:
        network, optimizer = parts()
        model, _, batches = run.setup(network, optimizer, itertools.cycle([X]))
        for x in run.steps(batches, until=10):
            run.step(model(x).mean())
            if run.step_index == 3:
                break
        for _ in run.steps(batches, until=10):
            break  # in the middle of a step: it does not count
        assert run.step_index == 3
        for x in run.steps(batches, until=5):
            run.step(model(x).mean())
        assert run.step_index == 5
    account = dt.account(run.id)
    account.check()
    assert account.leaves.get("lost", 0) > 0


def test_a_loop_that_was_stopped_ends_after_its_step_with_everything_saved() -> None:
    with dt.Run(checkpoint=dt.Checkpoint(every="100step")) as run:
        network, optimizer = parts()
        model, _, batches = run.setup(network, optimizer, [X])
        for x in run.steps(batches, until=10):
            run.step(model(x).mean())
            if run.step_index == 3:
                run.stop()
    assert (run.step_index, list_checkpoints(run.folder.checkpoints)) == (3, [3])


def test_gradients_of_a_step_that_was_left_do_not_count() -> None:
    class Loader(list):
        batch_size = 4

    weights = []
    for is_left in (False, True):
        with dt.Run(global_batch=8) as run:
            network, optimizer = parts()
            model, _, batches = run.setup(network, optimizer, Loader([X]))
            for x in run.steps(batches, until=1 if is_left else 0):
                run.step(model(100 * x).mean())
                break
            for x in run.steps(batches, until=2):
                run.step(model(x).square().mean())
        weights.append(network.weight.tolist())
    assert weights[0] == weights[1]


def test_where_enough_steps_are_done_the_loop_does_not_run() -> None:
    with dt.Run(checkpoint=dt.Checkpoint(every="2step")) as run:
        network, optimizer = parts()
        model, _, batches = run.setup(network, optimizer, [X])
        for x in run.steps(batches, until=3):
            run.step(model(x).mean())
        assert list(run.steps(batches, until=3)) == []
    assert list_checkpoints(run.folder.checkpoints) == [2, 3]


def test_an_empty_loader_is_an_error_that_names_it() -> None:
    with dt.Run() as run, pytest.raises(DataError, match="list"):
        train(run, 1, [])


def test_a_step_that_never_began_has_no_end_in_the_ledger() -> None:
    with dt.Run() as run, pytest.raises(DataError, match="gave no batch"):
        train(run, 2, iter([X]))
    told = map(json.loads, next(run.folder.journal.iterdir()).read_text().splitlines())
    steps = [(each["k"], each["step"]) for each in told if each["k"].startswith("step_")]
    assert steps == [("step_begin", 0), ("step_end", 0)]


def test_closing_twice_is_fine_and_ends_the_lease() -> None:
    run = dt.Run()
    run.close()
    run.close()
    assert '"k":"release"' in next(run.folder.journal.iterdir()).read_text()


def test_a_run_of_its_own_that_ctrl_c_ends_was_stopped_and_has_not_failed() -> None:
    with pytest.raises(KeyboardInterrupt), dt.Run():
        raise KeyboardInterrupt
    (line,) = list_lines()
    assert line.status == "stopped"


def test_bf16_trains_on_a_cpu_too() -> None:
    with dt.Run(precision="bf16") as run:
        network, optimizer = parts()
        model, _, batches = run.setup(network, optimizer, [X])
        for x in run.steps(batches, until=2):
            assert model(x).dtype == torch.float32
            run.step(functional.mse_loss(model(x), x[:, :1]))
    assert network.weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("ending", "code", "words"),
    [
        ("raise dt.DrivetrainError('what happened', hint='what to do')", 1, "error: what happened\n\nhint: what to do"),
        ("raise dt.train_errors.CheckpointError('disk full')", 74, "error: disk full"),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("pass", 0, ""),
    ],
)
def test_a_script_ends_with_the_code_of_its_error_and_closes_its_run(
    own_home: Path, tmp_path: Path, ending: str, code: int, words: str
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import drivetrain as dt\nimport drivetrain.core.errors\n"
        f"dt.train_errors = drivetrain.core.errors\nrun = dt.Run()\n{ending}\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code
    assert words in done.stderr
    assert ("Traceback" in done.stderr) == ("Zero" in words)
    records = [json.loads(line) for line in next(own_home.glob("runs/*/journal/*.jsonl")).read_text().splitlines()]
    assert [(record["k"], record.get("code")) for record in records[-2:]] == [("exit", code), ("release", None)]


def test_a_run_that_cannot_be_made_ends_the_script_with_one_error(own_home: Path, tmp_path: Path) -> None:
    own_home.write_text("a file where the home should be")
    for arguments, code, words in (("", 74, "error: cannot write"), ("ema=2", 2, "error: ema is 2")):
        script = tmp_path / "script.py"
        script.write_text(f"import drivetrain as dt\ndt.Run({arguments})\n")
        done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, "Traceback" in done.stderr) == (code, False)
        assert done.stderr.startswith(words)


def test_a_launched_rank_has_one_run_and_a_second_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIVETRAIN_RUN", create_run(["python"], 1).id)
    with dt.Run(checkpoint=dt.Checkpoint(every="1step")) as run:
        train(run, 2)
    with pytest.raises(UsageError, match="rank 0 made a second"):
        dt.Run(checkpoint=dt.Checkpoint(every="1step"))


def test_a_loader_that_could_not_follow_is_refused_where_the_number_of_ranks_may_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DRIVETRAIN_ELASTIC", "1")
    with dt.Run() as run, pytest.raises(ConfigError, match=r"loader \(list\) cannot divide its samples anew"):
        run.setup(*parts(), [X])
