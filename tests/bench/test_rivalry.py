from __future__ import annotations

import pytest
from tests.bench.runs import Lab, measured, noisy

from drivetrain.bench import rivalry_text
from drivetrain.bench.contest import PLAIN
from drivetrain.bench.rivalry import Arena, Contender
from drivetrain.core.errors import RunFailedError, UsageError

BOTH = [Contender("muon"), Contender("schedulefree", 3.0)]


def test_a_contender_reads_as_people_write_it() -> None:
    assert Contender.parse("schedulefree@3") == BOTH[1]
    assert Contender.parse(" muon").name == "muon"
    assert Contender.parse("muon@0.5").name == "muon@0.5"
    for text in ("sgd", "muon@", "muon@-1", "muon@x", ""):
        with pytest.raises(UsageError, match="is no optimizer to try"):
            Contender.parse(text)


def test_a_slower_optimizer_is_also_run_within_the_recipes_time() -> None:
    lab = Lab({PLAIN: noisy(0.1, noise=0), "muon": noisy(0.2, 0.9), "schedulefree@3": noisy(0.1, 0.8, noise=0)})
    rivalry = Arena(lab.run, now_s=lambda: lab.now_s, budget_s=20).run(BOTH)
    shares = [trial.share for name, trial in zip(lab.names, lab.trials, strict=True) if name == "muon"]
    assert shares[0::2] == [1.0] * rivalry.num_seeds
    assert shares[1::2] == pytest.approx([0.5] * rivalry.num_seeds, rel=0.05)
    muon, free = rivalry.standings
    assert (muon.verdict, free.verdict) == ("better", "better")
    assert muon.share == pytest.approx(0.5, rel=0.05)
    assert free.share == 1.0
    assert free.loss_at_time == free.loss_at_steps
    assert {trial.optimizer for trial in lab.trials} == {None, "muon", "schedulefree"}


def test_one_that_fails_is_reported_and_not_tried_again() -> None:
    lab = Lab({"muon": "this network has none"})
    rivalry = Arena(lab.run, now_s=lambda: lab.now_s, budget_s=9).run(BOTH)
    assert lab.names.count("muon") == 1
    assert (rivalry.standings[0].verdict, rivalry.standings[0].why) == ("failed", "this network has none")
    assert "muon: this network has none" in rivalry_text(rivalry)


def test_one_seed_is_always_made_and_says_nothing_about_noise() -> None:
    lab = Lab({}, seconds_each=100)
    rivalry = Arena(lab.run, now_s=lambda: lab.now_s, budget_s=1).run(BOTH)
    assert rivalry.num_seeds == 1
    assert [row.verdict for row in rivalry.standings] == ["cannot tell"] * 2
    assert "one seed says nothing about noise" in rivalry_text(rivalry)


def test_of_equal_optimizers_none_is_called_better_or_worse() -> None:
    lab = Lab({name: noisy(0.1, seed=at) for at, name in enumerate((PLAIN, "muon", "schedulefree@3"))})
    rivalry = Arena(lab.run, now_s=lambda: lab.now_s, budget_s=40).run(BOTH)
    assert [row.verdict for row in rivalry.standings] == ["cannot tell"] * 2


def test_a_recipe_that_does_not_run_is_an_error() -> None:
    lab = Lab({PLAIN: "no module named x"})
    with pytest.raises(RunFailedError, match="no module named x"):
        Arena(lab.run, now_s=lambda: lab.now_s, budget_s=9).run(BOTH)


def test_a_diverged_optimizer_is_worse() -> None:
    lab = Lab({"muon": lambda _: measured(closing_loss=float("nan"))})
    rivalry = Arena(lab.run, now_s=lambda: lab.now_s, budget_s=9).run(BOTH[:1])
    assert rivalry.standings[0].verdict == "worse"
