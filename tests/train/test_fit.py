"""`fit` in one process; that a kill changes nothing is in tests/laws/test_resume.py."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from torch import nn

import drivetrain as dt
from drivetrain.core.errors import ConfigError, UsageError
from drivetrain.ledger import read_history, scalars
from drivetrain.store import create_run, list_checkpoints

X = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))


def loss_of(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return model(x).square().mean()


def parts() -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(1)
    network = nn.Linear(3, 1)
    return network, torch.optim.SGD(network.parameters(), lr=0.1)


def fit(until: int = 10, **options: object) -> dt.Fitted:
    network, optimizer = parts()
    return dt.fit(network, [X], loss_of, optimizer, until=until, **options)


def logged(fitted: dt.Fitted, name: str) -> dict[int, float]:
    return {step: value for step, _, value in scalars(read_history(fitted.run.folder).events).get(name, [])}


class Heard(dt.Callback):
    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    def on_start(self, run: dt.Run) -> None:
        self.calls.append(("start", run.step_index))

    def on_step(self, run: dt.Run, loss: torch.Tensor) -> None:
        assert not loss.requires_grad
        self.calls.append(("step", run.step_index))

    def on_eval(self, run: dt.Run, metrics: Mapping[str, float]) -> None:
        self.calls.append((f"eval {metrics['score']}", run.step_index))

    def on_end(self, run: dt.Run) -> None:
        self.calls.append(("end", run.step_index))


def test_it_trains_to_the_weights_of_the_loop_it_stands_for() -> None:
    with dt.Run() as run:
        expected, optimizer = parts()
        model, _, batches = run.setup(expected, optimizer, [X])
        for x in run.steps(batches, until=10):
            run.step(loss_of(model, x))
    network, optimizer = parts()
    fitted = dt.fit(network, [X], loss_of, optimizer, until=10)
    assert torch.equal(network.weight, expected.weight)
    assert (fitted.num_steps, fitted.stopped_early, fitted.metrics) == (10, False, {})


def test_a_run_it_made_is_closed_and_one_it_was_given_is_left_open() -> None:
    made = fit(3)
    account = dt.account(made.run.id)
    account.check()
    assert not account.is_running
    assert account.num_steps_kept == 3
    with dt.Run(ema=0.9) as run:
        assert fit(3, run=run).run is run
        assert dt.account(run.id).is_running


def test_it_records_the_loss_and_evaluates_in_evaluation_mode_without_gradients_last_step_included() -> None:
    seen = []

    def evaluate(model: nn.Module) -> dict[str, float]:
        seen.append((model.training, torch.is_grad_enabled()))
        return {"score": torch.tensor(float(len(seen)))}

    fitted = fit(10, evaluate=evaluate, evaluate_every="4step", log_every="5step")
    assert seen == [(False, False)] * 3
    assert fitted.metrics == {"score": 3.0}
    assert logged(fitted, "score") == {4: 1.0, 8: 2.0, 10: 3.0}
    assert list(logged(fitted, "loss")) == [5, 10]
    assert dt.account(fitted.run.id).leaves["eval"] > 0


def test_evaluation_sees_the_averaged_weights_where_the_run_keeps_them() -> None:
    network, optimizer = parts()
    seen = []

    def evaluate(model: nn.Module) -> dict[str, float]:
        seen.append(network.weight.detach().clone())
        return {}

    with dt.Run(ema=0.5) as run:
        dt.fit(network, [X], loss_of, optimizer, until=4, run=run, evaluate=evaluate)
        with run.averaged(network):
            assert torch.equal(seen[0], network.weight)
    assert not torch.equal(seen[0], network.weight)


def test_it_stops_when_a_metric_no_longer_gets_better_and_saves_where_it_stopped() -> None:
    values = iter([3.0, 2.0, 1.95, float("nan"), 0.0])
    with dt.Run(checkpoint=dt.Checkpoint(every="100step")) as run:
        fitted = fit(
            50,
            run=run,
            evaluate=lambda _: {"error": next(values)},
            evaluate_every="5step",
            early_stop=dt.EarlyStop("error", patience=2, min_delta=0.1),
        )
    assert (fitted.num_steps, fitted.stopped_early, fitted.best, fitted.best_step) == (20, True, 2.0, 10)
    assert list_checkpoints(run.folder.checkpoints) == [20]
    assert dt.account(run.id).num_steps_kept == 20


def test_larger_may_be_better() -> None:
    values = iter([0.1, 0.2, 0.2])
    fitted = fit(
        9,
        evaluate=lambda _: {"iou": next(values)},
        evaluate_every="3step",
        early_stop=dt.EarlyStop("iou", patience=1, mode="max"),
    )
    assert (fitted.stopped_early, fitted.best) == (True, 0.2)


def test_callbacks_are_called_in_order_once_a_step() -> None:
    heard = Heard()
    fit(3, callbacks=[heard], evaluate=lambda _: {"score": 7}, evaluate_every="2step")
    assert heard.calls == [
        *[("start", 0), ("step", 1), ("step", 2), ("eval 7.0", 2), ("step", 3), ("eval 7.0", 3), ("end", 3)]
    ]


def test_a_step_of_several_microbatches_is_one_step_with_their_mean_loss() -> None:
    class Loader(list):
        batch_size = 4

    heard = Heard()
    with dt.Run(global_batch=8) as run:
        network, optimizer = parts()
        halves = Loader([X, 3 * X])
        fitted = dt.fit(network, halves, loss_of, optimizer, until=1, run=run, callbacks=[heard], log_every="1step")
    network, _ = parts()
    assert logged(fitted, "loss")[1] == pytest.approx((loss_of(network, X).item() + loss_of(network, 3 * X).item()) / 2)
    assert [what for what, _ in heard.calls] == ["start", "step", "end"]


class Rows:
    """The same rows in every step, but for those of one step, which are huge."""

    def __init__(self, huge: int) -> None:
        self.huge, self.number = huge, 0

    def __iter__(self) -> Iterator[torch.Tensor]:
        while True:
            self.number += 1
            yield X * 1e4 if self.number - 1 == self.huge else X

    def state_dict(self) -> dict[str, int]:
        return {"number": self.number}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.number = state["number"]


@pytest.mark.filterwarnings("ignore:step [678]", "ignore:went back")
def test_where_a_run_goes_back_evaluations_and_an_early_stop_are_undone_too() -> None:
    """The update of step 6 ruins the weights; the evaluation after step 8 would stop the run, which goes back there."""
    seen: list[int] = []
    network, optimizer = parts()

    def evaluate(model: nn.Module) -> dict[str, float]:
        seen.append(run.step_index)
        return {"score": float(model(X).square().mean())}

    with dt.Run(anomaly=dt.Anomaly(skip=1), checkpoint=dt.Checkpoint(every="5step"), device="cpu") as run:
        fitted = dt.fit(
            network,
            Rows(huge=6),
            lambda model, x: model(x).pow(4).mean(),
            optimizer,
            until=20,
            run=run,
            evaluate=evaluate,
            evaluate_every="3step",
            early_stop=dt.EarlyStop("score", patience=1),
        )
    assert seen == [3, 6, 9, 6, 9, 12, 15, 18, 20]
    assert (fitted.num_steps, fitted.stopped_early, fitted.best_step) == (20, False, 20)


def test_an_error_in_a_callback_names_it_and_the_step() -> None:
    class Broken(dt.Callback):
        def on_step(self, run: dt.Run, loss: torch.Tensor) -> None:
            if run.step_index == 2:
                raise OSError("no disk")

    with pytest.raises(OSError, match="no disk") as caught:
        fit(5, callbacks=[Broken()])
    assert [note for note in caught.value.__notes__ if note.endswith("Broken.on_step, after 2 steps")]


class Misspelled:
    def on_setp(self) -> None: ...


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"callbacks": [object()]}, "has a object, which is no callback"),
        ({"callbacks": [Heard]}, "has the class Heard"),
        ({"callbacks": [Misspelled()]}, "has a Misspelled, which is no callback"),
        ({"evaluate": dict, "evaluate_every": "10m"}, "evaluate_every is '10m', but fit counts in steps"),
        ({"log_every": "often"}, "log_every: 'often'"),
        ({"early_stop": dt.EarlyStop("x")}, "early_stop was given without evaluate"),
    ],
)
def test_mistakes_in_the_call_are_told_before_anything_is_made(
    options: dict[str, object], message: str, own_home: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        fit(**options)
    assert not own_home.exists()


@pytest.mark.parametrize("settings", [{"metric": ""}, {"patience": 0}, {"min_delta": -1.0}, {"mode": "least"}])
def test_settings_of_an_early_stop_are_checked_when_written(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        dt.EarlyStop(**{"metric": "loss", **settings})


def test_a_misspelled_method_beside_a_right_one_is_told() -> None:
    class Half(dt.Callback):
        def on_steps(self) -> None: ...

    with pytest.raises(ConfigError, match=r"(?s)Half has on_steps.*hint: did you mean on_step\?"):
        fit(callbacks=[Half()])


def test_a_watched_metric_that_is_not_returned_is_told() -> None:
    with pytest.raises(UsageError, match="watches 'iou', but evaluate returned loss"):
        fit(2, evaluate=lambda _: {"loss": 1.0}, early_stop=dt.EarlyStop("iou"))


def test_evaluate_must_return_metrics_by_name() -> None:
    with pytest.raises(TypeError, match="returned a float"):
        fit(1, evaluate=lambda _: 0.5)
    for value in ("high", torch.ones(2)):
        with pytest.raises(TypeError, match="for score, but a metric must be one number"):
            fit(evaluate=lambda _, value=value: {"score": value})


def test_it_prints_nothing_of_a_short_run_where_nobody_watches(capfd: pytest.CaptureFixture[str]) -> None:
    fit(5)
    assert capfd.readouterr() == ("", "")


@pytest.mark.filterwarnings("ignore:reading and skipping")
def test_state_of_callbacks_goes_on_in_the_next_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counter(dt.Callback):
        def __init__(self) -> None:
            self.number = 0

        def on_step(self, run: dt.Run, loss: torch.Tensor) -> None:
            self.number += 1

        def state_dict(self) -> dict[str, int]:
            return {"number": self.number}

        def load_state_dict(self, state: Mapping[str, int]) -> None:
            self.number = state["number"]

    monkeypatch.setenv("DRIVETRAIN_RUN", create_run(["python"], 1).id)
    counts = []
    for number, until in enumerate((4, 10)):
        monkeypatch.setenv("DRIVETRAIN_ATTEMPT", str(number))
        counters = [Counter(), Counter()]
        with dt.Run(checkpoint=dt.Checkpoint(every="100step")) as run:
            fit(until, run=run, callbacks=counters)
        counts.append([counter.number for counter in counters])
    assert counts == [[4, 4], [10, 10]]


def test_a_run_that_stopped_early_does_not_train_on_when_it_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIVETRAIN_RUN", create_run(["python"], 1).id)
    heard = []
    for number in range(2):
        monkeypatch.setenv("DRIVETRAIN_ATTEMPT", str(number))
        heard.append(Heard())
        with dt.Run(checkpoint=dt.Checkpoint(every="100step")) as run:
            fitted = fit(
                50,
                run=run,
                evaluate=lambda _: {"score": 1.0},
                evaluate_every="2step",
                early_stop=dt.EarlyStop("score", patience=1),
                callbacks=heard[-1:],
            )
        assert (fitted.num_steps, fitted.stopped_early, fitted.metrics) == (4, True, {"score": 1.0})
    assert heard[1].calls == [("start", 4), ("end", 4)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_it_shows_loss_step_time_wait_and_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr("drivetrain.train.display.BAR_EVERY_NS", 0)
    monkeypatch.setattr("drivetrain.train.display.Bar.every_ns", 0)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    fit(4, evaluate=lambda _: {"score": 0.25}, evaluate_every="2step")
    shown = screen.getvalue()
    for part in ("train", "3/4", "loss ", "/step", "data wait ", " left", "score 0.25"):
        assert part in shown
