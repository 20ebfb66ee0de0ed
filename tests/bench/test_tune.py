from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.bench.runs import Lab, facts, measured, noisy

from drivetrain.bench import tuning_text
from drivetrain.bench.candidates import Machine
from drivetrain.bench.contest import PLAIN
from drivetrain.bench.measure import Measured
from drivetrain.bench.trials import Failed
from drivetrain.bench.tune import Tuner, Tuning, enough_steps
from drivetrain.core.errors import RunFailedError
from drivetrain.core.trials import Trial

MACHINE = Machine(has_compiler=True, has_bf16=True)


def tune(effects: dict[str, Callable[[int], Measured] | str], *, budget_s: float = 70) -> tuple[Tuning, Lab]:
    lab = Lab({PLAIN: noisy(0.1), **effects})
    tuner = Tuner(lab.run, facts, now_s=lambda: lab.now_s, budget_s=budget_s)
    return tuner.run(MACHINE, 40), lab


EFFECTS = {
    "bf16": noisy(0.06, seed=1),
    "compile": noisy(0.08, seed=2),
    "channels-last": noisy(0.1, seed=3, noise=0.002),
    "fused optimizer": "no such kernel",
    "recompute": lambda _: measured(0.13, peak_bytes=500),
    "larger microbatch": lambda _: measured(0.4),
    "loader threads=4": noisy(0.09, closing_loss=1.2, seed=4),
}


def test_each_change_gets_its_verdict_and_those_adopted_are_tried_together() -> None:
    tuning, _ = tune({**EFFECTS, "together": noisy(0.05, seed=5)})
    verdicts = {row.name: row.verdict for row in tuning.rows}
    assert verdicts["bf16"] == verdicts["compile"] == "adopt"
    assert verdicts["fused optimizer"] == "failed"
    assert verdicts["larger microbatch"] == "slower"
    assert verdicts["loader threads=4"] == "hurts the loss"
    assert tuning.together is not None
    assert tuning.together.verdict == "adopt"
    assert tuning.together.adopt == 'dt.Run(precision="bf16"); dt.Run(compile=True)'
    assert tuning.level == pytest.approx(1 - 0.05 / 7)


def test_the_text_has_each_change_the_reasons_and_what_to_write() -> None:
    tuning, _ = tune(EFFECTS)
    text = tuning_text(tuning)
    assert 'adopt\n  dt.Run(precision="bf16")\n  dt.Run(compile=True)' in text
    assert "fused optimizer: no such kernel" in text
    assert "larger microbatch: left out after one pair at 4.0 times the step time" in text
    assert "has a chance of 5 %" in text


def test_trials_end_about_when_the_time_is_up() -> None:
    _, lab = tune({}, budget_s=40)
    assert lab.now_s <= 41


@pytest.mark.parametrize(
    ("step_s", "probe_s", "trial_s", "num_steps"),
    [(0.1, 3.0, 60.0, 40), (0.01, 2.1, 60.0, 200), (0.001, 2.0, 60.0, 400), (0.1, 3.0, 4.0, 20), (2.0, 22.0, 10.0, 12)],
)
def test_quick_recipes_make_more_steps_and_slow_ones_fewer(
    step_s: float, probe_s: float, trial_s: float, num_steps: int
) -> None:
    assert enough_steps(step_s, probe_s, trial_s) == num_steps


def test_what_is_known_is_told_when_the_recipe_fails_later() -> None:
    lab = Lab({PLAIN: noisy(0.1)})

    def run(name: str, trial: Trial) -> Measured | Failed:
        return Failed("the disk is full") if name == PLAIN and trial.seed_offset == 2 else lab.run(name, trial)

    tuning = Tuner(run, facts, now_s=lambda: lab.now_s, budget_s=70).run(MACHINE, 40)
    assert tuning.failure == "the disk is full"
    assert "as it is: the disk is full" in tuning_text(tuning)
    assert {row.found.num_pairs for row in tuning.rows if row.found} == {2}


def test_a_recipe_that_does_not_run_is_an_error_with_its_last_words() -> None:
    with pytest.raises(RunFailedError, match="no module named x"):
        tune({PLAIN: "its last words: no module named x"})
