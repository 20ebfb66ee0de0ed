from __future__ import annotations

import gc
import math

import msgspec
import pytest
import torch
from torch import nn

import drivetrain as dt
from drivetrain.core.errors import ConfigError
from drivetrain.core.trials import CLOSING_LOSS, FACTS, PEAK_BYTES, TRAINING_LOSS, Facts, Trial
from drivetrain.ledger import read_history, scalars
from drivetrain.train.trial import CompressedSchedule

X = torch.randn(24, 4, generator=torch.Generator().manual_seed(0))


class Tried:
    """A recipe that a trial was made of, and what it left behind."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, trial: Trial, *, until: int = 20, schedule: bool = False
    ) -> None:
        monkeypatch.setenv("DRIVETRAIN_TRIAL", trial.text())
        self.rates: list[float] = []
        self.came_after = False
        with pytest.raises(SystemExit) as ended:
            self.train(until, schedule)
        assert ended.value.code == 0
        del ended
        gc.collect()  # loader workers end with the last reference to their iterator
        self.logged = scalars(read_history(self.folder).events)

    def train(self, until: int, schedule: bool) -> None:
        with dt.Run(checkpoint=dt.Checkpoint(every="1step"), clip=1.0) as run:
            self.folder = run.folder
            self.network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
            self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=0.01)
            loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X), batch_size=8, shuffle=True)
            follows = torch.optim.lr_scheduler.LinearLR(self.optimizer, 1.0, 0.0, until) if schedule else None
            model, self.used, batches = run.setup(self.network, self.optimizer, loader, schedule=follows)
            for (x,) in run.steps(batches, until=until):
                self.rates.append(self.optimizer.param_groups[0]["lr"])
                run.step((model(x) - x.sum(1, keepdim=True)).square().mean())
            self.came_after = True

    @property
    def losses(self) -> list[float]:
        return [value for _, _, value in self.logged[TRAINING_LOSS]]

    @property
    def closing(self) -> list[float]:
        return [value for _, _, value in self.logged[CLOSING_LOSS]]

    @property
    def facts(self) -> Facts:
        return msgspec.json.decode((self.folder.kept / FACTS).read_bytes(), type=Facts)


def test_a_trial_is_cut_short_logs_each_loss_and_saves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = Tried(monkeypatch, Trial(num_steps=6, num_closing=3))
    assert [step for step, _, _ in tried.logged[TRAINING_LOSS]] == list(range(6))
    assert [step for step, _, _ in tried.logged[CLOSING_LOSS]] == [6, 7, 8]
    assert tried.logged[PEAK_BYTES][0][2] > 1e6
    assert not tried.came_after
    assert not tried.folder.checkpoints.exists()
    assert tried.facts.num_steps == 20
    assert tried.facts.is_fused is False
    assert tried.facts.threads == 0
    assert "trial: as it is" in capsys.readouterr().err


def test_a_recipe_shorter_than_the_trial_is_gone_through_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(Tried(monkeypatch, Trial(num_steps=100), until=7).losses) == 7


def test_after_the_training_steps_the_weights_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    short, long = (Tried(monkeypatch, Trial(num_steps=5, num_closing=number)) for number in (1, 6))
    assert torch.equal(short.network[0].weight, long.network[0].weight)
    assert short.closing == long.closing[:1]


def test_equal_trials_are_equal_and_another_seed_is_another_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    first, again, other = (Tried(monkeypatch, Trial(num_steps=4, seed_offset=seed)).losses for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_fusing_keeps_the_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, fused = (Tried(monkeypatch, Trial(num_steps=8, fused=value)) for value in (False, True))
    assert fused.optimizer.param_groups[0]["fused"] is True
    assert fused.losses == pytest.approx(plain.losses, rel=1e-4)


def test_settings_are_replaced_and_unknown_ones_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Tried(monkeypatch, Trial(num_steps=3, settings={"precision": "bf16"})).facts.precision == "bf16"
    monkeypatch.setenv("DRIVETRAIN_TRIAL", Trial(settings={"speed": 3}).text())
    with pytest.raises(ConfigError, match="a trial sets speed, but the settings are parallel"):
        dt.Run()


@pytest.mark.parametrize("name", ["adamw", "muon", "schedulefree"])
def test_a_rival_trains_in_the_place_of_the_recipes_optimizer(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    tried = Tried(monkeypatch, Trial(optimizer=name), until=60, schedule=True)
    assert tried.used is not tried.optimizer
    assert not tried.optimizer.state
    assert tried.rates[59] < 0.1 * tried.rates[0]
    assert sum(tried.closing[:6]) / 6 < 0.75 * sum(tried.losses[:6]) / 6  # two epochs each


def test_adamw_as_a_rival_of_adamw_is_the_recipe_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, rival = (Tried(monkeypatch, Trial(optimizer=name), schedule=True) for name in (None, "adamw"))
    assert rival.losses == plain.losses
    assert rival.closing == plain.closing


def test_a_rivals_rate_is_a_multiple_of_the_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = Tried(monkeypatch, Trial(optimizer="adamw", lr_factor=3.0, num_steps=4), schedule=True)
    plain = Tried(monkeypatch, Trial(num_steps=4), schedule=True)
    assert tried.losses[0] == plain.losses[0]
    assert tried.losses[3] < plain.losses[3]


def test_a_share_of_the_steps_has_the_whole_schedule_and_ends_on_the_same_samples(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, half = (Tried(monkeypatch, Trial(share=share, num_closing=2), schedule=True) for share in (1.0, 0.5))
    assert half.rates[:10] == pytest.approx(whole.rates[0:20:2])
    assert (len(whole.losses), len(half.losses)) == (20, 10)
    assert [step for step, _, _ in half.logged[CLOSING_LOSS]] == [20, 21]


def test_a_network_without_hidden_matrices_is_nothing_for_muon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIVETRAIN_TRIAL", Trial(optimizer="muon").text())
    network = nn.Linear(4, 1)
    with dt.Run() as run, pytest.raises(ConfigError, match="muon trains the matrices between"):
        run.setup(network, torch.optim.SGD(network.parameters(), lr=0.1), [X])


def test_kernels_of_convolutions_are_matrices_for_muon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIVETRAIN_TRIAL", Trial(optimizer="muon", num_closing=1).text())
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16, 1)
    network = nn.Sequential(*layers)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)

    def train() -> None:
        with dt.Run() as run:
            model, _, batches = run.setup(network, optimizer, [torch.randn(16, 1, 8, 8)])
            for x in run.steps(batches, until=3):
                run.step(model(x).mean())  # downhill all the way: updates to and fro would add up to nothing

    with pytest.raises(SystemExit):
        train()
    change = (network[2].weight - before[2]).reshape(4, -1).detach()
    sizes = torch.linalg.svdvals(change)
    assert float(sizes.min() / sizes.max()) > 0.2  # Muon's updates are near to orthogonal
    assert all(not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))


@pytest.mark.parametrize("share", [0.3, 0.5, 0.77, 1.0])
def test_a_compressed_schedule_comes_to_its_end_and_no_further(share: float) -> None:
    class Counting:
        number = 0

        def step(self) -> None:
            self.number += 1

    inner = Counting()
    schedule = CompressedSchedule(inner, share)
    schedule.num_steps = 100
    for _ in range(math.ceil(100 * share)):
        schedule.step()
    assert inner.number == 100


def test_threads_of_a_loader_that_has_none_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIVETRAIN_TRIAL", Trial(threads=4).text())
    network = nn.Linear(4, 1)
    with dt.Run() as run, pytest.raises(ConfigError, match="threads and microbatch of a list cannot be set"):
        run.setup(network, torch.optim.SGD(network.parameters(), lr=0.1), [X])


@pytest.mark.slow
def test_workers_of_a_torch_loader_read_the_same_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, two = (Tried(monkeypatch, Trial(num_steps=3, threads=threads)) for threads in (None, 2))
    assert two.losses == plain.losses
