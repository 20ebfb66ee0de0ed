"""The update of a step whose numbers are looked at first, decided by the host or on the device."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from drivetrain.core.errors import AnomalyError
from drivetrain.ledger import Recorder
from drivetrain.train.ema import Ema
from drivetrain.train.guard import Guard, can_read_late
from drivetrain.train.kept_buffers import KeptBuffers
from drivetrain.train.scaling import LossScale
from drivetrain.train.settings import Anomaly
from drivetrain.train.watch import Watch

CPU = torch.device("cpu")
NUM_STEPS = 8


def silent() -> Recorder:
    return Recorder(Path("none"), -1, 0, 0)


class Trained:
    """A network under guard; a step's batch is finite, not finite, or overflows in fp16 at the first loss scale."""

    def __init__(self, *, reads_late: bool, is_fp16: bool = False, policy: Anomaly | None = None) -> None:
        torch.manual_seed(1)
        self.network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        self.optimizer = torch.optim.AdamW(self.network.parameters(), 0.05, fused=True)
        self.ema = Ema(self.network, 0.9)
        self.watch = Watch(policy or Anomaly(skip=100), silent(), None, lambda _: ())
        self.guard = Guard(
            optimizer=self.optimizer,
            parameters=list(self.network.parameters()),
            watch=self.watch,
            scale=LossScale(CPU) if is_fp16 else None,
            clip=1.0,
            ema=self.ema,
            buffers=KeptBuffers(self.network),
            num_ranks=1,
            reads_late=reads_late,
        )

    def step(self, step: int, factor: float = 1.0, *, grad_factor: float = 1.0) -> bool:
        x = torch.randn(5, 3, generator=torch.Generator().manual_seed(step))
        loss = (self.network(x) * factor).square().mean()
        self.guard.before_backward(loss, is_last=True).backward()
        for parameter in self.network.parameters():
            parameter.grad *= grad_factor
        self.guard.update(step)
        self.optimizer.zero_grad()
        return self.watch.settle(everything=False)

    def state(self) -> list[torch.Tensor]:
        moments = [value for state in self.optimizer.state.values() for value in state.values()]
        return [
            tensor.detach().clone()
            for tensor in (*self.network.state_dict().values(), *self.ema.weights.values(), *moments)
        ]


def equal(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return len(one) == len(other) and all(map(torch.equal, one, other))


def close(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return len(one) == len(other) and all(torch.allclose(a, b, atol=1e-6) for a, b in zip(one, other, strict=True))


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.sampled_from([1.0, math.nan, math.inf]), min_size=1, max_size=6),
    st.booleans(),
    st.booleans(),
)
def test_a_skipped_step_leaves_weights_moments_averages_and_buffers_bit_for_bit(factors, reads_late, is_fp16) -> None:
    trained = Trained(reads_late=reads_late, is_fp16=is_fp16)
    trained.step(0)
    for step, factor in enumerate(factors, start=1):
        before = trained.state()
        trained.step(step, factor)
        assert equal(trained.state(), before) == (factor != 1.0)
    assert trained.watch.settle(everything=True) is False
    assert len(trained.watch.history.streak) == len(factors) - 1 - max(
        (i for i, f in enumerate(factors) if f == 1), default=-1
    )


@pytest.mark.parametrize("is_fp16", [False, True])
def test_host_and_device_decide_alike(is_fp16: bool) -> None:
    """Their averages differ in the last bit, as one is told the share as a number and the other as a tensor."""
    ends = []
    for reads_late in (False, True):
        trained = Trained(reads_late=reads_late, is_fp16=is_fp16)
        for step in range(NUM_STEPS):
            trained.step(step, math.nan if step in (2, 3) else 1.0, grad_factor=math.inf if step == 5 else 1.0)
        ends.append(trained)
        trained.watch.settle(everything=True)
    host, device = ends
    assert close(host.state(), device.state())
    assert host.watch.history == device.watch.history


def test_the_device_tells_one_step_late_and_at_once_when_asked_for_everything() -> None:
    trained = Trained(reads_late=True, policy=Anomaly(skip=0))
    assert trained.step(0) is False
    assert trained.step(1, math.nan) is False
    assert trained.step(2) is True
    assert trained.watch.history.known == {1}
    trained = Trained(reads_late=True, policy=Anomaly(skip=0, then="stop"))
    trained.step(0, math.nan)
    with pytest.raises(AnomalyError, match="1 steps in a row went wrong: 0"):
        trained.watch.settle(everything=True)


@pytest.mark.parametrize("reads_late", [False, True])
def test_an_overflow_halves_the_loss_scale_and_counts_as_no_anomaly(reads_late: bool) -> None:
    trained = Trained(reads_late=reads_late, is_fp16=True, policy=Anomaly(skip=0, then="stop"))
    assert trained.guard.scale is not None
    for step in range(3):
        trained.step(step, grad_factor=math.inf)
    trained.watch.settle(everything=True)
    assert trained.guard.scale.value.item() == 65536 / 8


@pytest.mark.parametrize("reads_late", [False, True])
def test_a_scale_with_nothing_left_to_halve_is_an_anomaly(reads_late: bool) -> None:
    trained = Trained(reads_late=reads_late, is_fp16=True, policy=Anomaly(skip=0, then="stop"))
    assert trained.guard.scale is not None
    trained.guard.scale.load_state_dict({"value": 1.0, "num_good": 0})
    trained.guard.before_backward(trained.network(torch.ones(2, 3)).mean(), is_last=True).backward()
    trained.guard.parameters[0].grad.fill_(math.inf)
    trained.guard.update(0)
    with pytest.raises(AnomalyError, match="the gradient's norm is inf"):
        trained.watch.settle(everything=True)


@pytest.mark.parametrize("reads_late", [False, True])
def test_a_spike_is_skipped(reads_late: bool) -> None:
    trained = Trained(reads_late=reads_late, policy=Anomaly(spike=8))
    for step in range(60):
        trained.step(step)
    before = trained.state()
    trained.step(60, 1000.0)
    assert equal(trained.state(), before)
    trained.watch.settle(everything=True)
    assert trained.watch.history.streak == (60,)


def test_what_the_watch_remembers_survives_a_round_trip() -> None:
    one, other = Trained(reads_late=False, policy=Anomaly(spike=8)), Trained(reads_late=False, policy=Anomaly(spike=8))
    for step in range(40):
        one.step(step, math.nan if step > 37 else 1.0)
    other.watch.load_state_dict(copy.deepcopy(one.watch.state_dict()))
    assert other.watch.state_dict() == one.watch.state_dict()
    assert other.watch.limit == one.watch.limit < math.inf


def test_what_is_not_judged_yet_is_remembered_too() -> None:
    one, other = Trained(reads_late=True), Trained(reads_late=True)
    one.step(0, math.nan)
    other.watch.load_state_dict(one.watch.state_dict())
    other.watch.settle(everything=True)
    assert other.watch.history.streak == (0,)


def test_only_fused_optimizers_on_an_accelerator_are_read_late() -> None:
    parameters = [nn.Parameter(torch.ones(1))]
    fused, plain = torch.optim.AdamW(parameters, fused=True), torch.optim.AdamW(parameters)
    assert can_read_late(fused, torch.device("cuda"))
    assert not can_read_late(plain, torch.device("cuda"))
    assert not can_read_late(fused, CPU)
