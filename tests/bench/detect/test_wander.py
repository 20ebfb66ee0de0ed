from __future__ import annotations

import numpy as np
import pytest

from drivetrain.bench.detect.story import Story, Turn
from drivetrain.bench.detect.tails import tails_of, two_sided
from drivetrain.bench.detect.wander import BANK, SHAPES, STEP, Filter, Noise, Shape, orthonormal

NUM = 60


def drawn(noise: Noise, innovations: np.ndarray) -> np.ndarray:
    """Noise of a kind, made by the recursion that defines it."""
    ahead, back = np.ones(1), np.ones(1)
    for root in noise.roots:
        ahead = np.convolve(ahead, [1, -root])
    for smooth in noise.smooth:
        back = np.convolve(back, [1, -smooth])
    values = np.zeros(len(innovations))
    for at in range(len(innovations)):
        values[at] = sum(back[k] * innovations[at - k] for k in range(len(back)) if k <= at)
        values[at] -= sum(ahead[k] * values[at - k] for k in range(1, len(ahead)) if k <= at)
    return values


@pytest.mark.parametrize("noise", BANK, ids=str)
def test_a_filter_gives_back_the_innovations_that_noise_was_made_of(noise: Noise) -> None:
    innovations = np.random.default_rng(1).standard_normal(NUM)
    innovations[:2] = 0  # what comes before the third value is taken as given
    assert Filter(noise, NUM)(drawn(noise, innovations)) == pytest.approx(innovations[2:], abs=1e-9)


@pytest.mark.parametrize("noise", BANK[::5], ids=str)
def test_all_places_at_once_are_as_each_alone(noise: Noise) -> None:
    used = Filter(noise, NUM)
    rest = np.random.default_rng(2).standard_normal(NUM - 2)
    step = (np.arange(NUM) >= 20).astype(float)
    ramp = np.maximum(np.arange(NUM) - 19, 0)
    assert used.left_of(STEP, 20) == pytest.approx(used(step), abs=1e-9)
    assert used.left_of(Shape("level", 3), 20) == pytest.approx(used(np.minimum(ramp / 3, 1)), abs=1e-9)
    assert used.left_of(Shape("trend"), 20) == pytest.approx(used(ramp / NUM), abs=1e-9)
    for number, shape in enumerate(SHAPES):
        alone = [used.left_of(shape, at) for at in range(2, NUM)]
        assert used.match(rest)[number] == pytest.approx([form @ rest for form in alone], abs=1e-9)
        assert used.powers[number] == pytest.approx([form @ form for form in alone])


def test_a_basis_is_orthonormal_and_what_is_spanned_already_adds_zeros() -> None:
    columns = list(np.random.default_rng(3).standard_normal((3, 10)))
    basis = orthonormal([*columns, columns[0] - 2 * columns[1]], np.zeros((0, 10)))
    assert basis @ basis.T == pytest.approx(np.diag([1, 1, 1, 0]), abs=1e-9)


@pytest.mark.parametrize("noise", [Noise(), Noise((0.6,)), Noise((1.0,)), Noise((1.0,), (0.7,))], ids=str)
def test_a_story_tells_the_step_that_was_planted_and_no_more(noise: Noise) -> None:
    values = drawn(noise, np.random.default_rng(4).standard_normal(150)) + 12 * (np.arange(150) >= 70)
    story = Story(noise, values / np.std(values), 5)
    assert story.told(5) == (Turn(70, STEP),)
    assert story.cost((Turn(70, STEP),)) < story.cost(())


def test_turns_that_do_not_pay_are_taken_back() -> None:
    values = np.random.default_rng(5).standard_normal(100) + 8 * (np.arange(100) >= 50)
    story = Story(Noise(), values / np.std(values), 5)
    given = tuple(Turn(at, STEP) for at in (20, 50, 80))
    assert story.told(3, given) == (Turn(50, STEP),)


@pytest.mark.parametrize(
    ("size", "freedom", "chance"), [(1.96, np.inf, 0.05), (3.182, 3, 0.05), (12.924, 3, 0.001), (2.228, 10, 0.05)]
)
def test_chances_are_those_of_students_tables(size: float, freedom: float, chance: float) -> None:
    assert two_sided(size, freedom) == pytest.approx(chance, rel=0.3)


def test_tails_are_told_from_values_and_never_lighter_than_likely() -> None:
    source = np.random.default_rng(6)
    heavy = tails_of(5 * source.standard_t(3, 2000))
    assert 2 <= heavy.freedom <= 4
    assert heavy.scale == pytest.approx(5, rel=0.15)
    assert tails_of(source.standard_normal(2000)).freedom >= 20


def test_one_large_move_is_believed_of_heavy_tails_and_many_are_not() -> None:
    tails = tails_of(np.random.default_rng(7).standard_t(3, 500))
    jump, ramp = np.zeros(50), np.zeros(50)
    jump[10], ramp[10:16] = 1, 1
    assert tails.chance(jump, 9 * jump) > 1e-3
    assert tails.chance(ramp, 4 * ramp) < 1e-6
    assert tails_of(np.zeros(20)).chance(jump, jump) == 0
