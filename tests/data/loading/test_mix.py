from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.data.loading.mix import Mix

ratios = st.lists(st.integers(1, 40), min_size=1, max_size=7)


@given(ratios=ratios, start=st.integers(0, 2**50))
@settings(max_examples=60, deadline=None)
def test_any_period_in_a_row_holds_each_source_as_often_as_its_ratio(ratios: list[int], start: int) -> None:
    mix = Mix(tuple(ratios))
    sources, _ = mix.at(np.arange(start, start + mix.period))
    assert np.bincount(sources, minlength=len(ratios)).tolist() == ratios


@given(ratios=ratios)
@settings(max_examples=60, deadline=None)
def test_up_to_any_position_a_source_is_off_by_no_more_than_the_halvings(ratios: list[int]) -> None:
    mix = Mix(tuple(ratios))
    sources, _ = mix.at(np.arange(2 * mix.period))
    taken = np.cumsum(sources[:, None] == np.arange(len(ratios)), axis=0)
    due = np.arange(1, len(sources) + 1)[:, None] * np.array(ratios) / mix.period
    assert np.abs(taken - due).max() < max(1, int(np.ceil(np.log2(len(ratios))))) or len(ratios) == 1


@given(ratios=ratios, start=st.integers(0, 2**40))
@settings(max_examples=60, deadline=None)
def test_turns_of_a_source_count_up_by_one(ratios: list[int], start: int) -> None:
    mix = Mix(tuple(ratios))
    sources, turns = mix.at(np.arange(start, start + 200))
    for source in range(len(ratios)):
        own = turns[sources == source]
        assert (np.diff(own) == 1).all()
    first, first_turns = mix.at(np.arange(200))
    for source in np.unique(first):
        assert first_turns[first == source][0] == 0


def test_fractions_become_the_smallest_whole_numbers() -> None:
    assert Mix.of([Fraction("0.7"), Fraction("0.2"), Fraction("0.1")]).ratios == (7, 2, 1)
    assert Mix.of([Fraction(6), Fraction(4)]).ratios == (3, 2)
    large = Mix.of([Fraction(10_000_000 * 99), Fraction(1)])
    assert large.at(np.array([large.period - 1, large.period]))[0].tolist() == [0, 1]


@pytest.mark.parametrize("wrong", [(), (0, 1), (-1,), (1 << 31,)])
def test_ratios_that_cannot_be_are_refused(wrong: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="ratios"):
        Mix(wrong)


def test_ratios_without_a_small_common_period_are_met_to_a_billionth() -> None:
    shares = [Fraction(1, 1_000_003), Fraction(1, 1_000_033), Fraction(1, 1_000_037)]
    mix = Mix.of(shares)
    for ratio, share in zip(mix.ratios, shares, strict=True):
        assert ratio / mix.period == pytest.approx(float(share / sum(shares)), abs=2e-9)
