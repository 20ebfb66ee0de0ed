"""What a team used counts less and less, and a team that holds devices is charged as it holds them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.compute.controller.states import AttemptRecord
from drivetrain.compute.controller.usage import UsageBook
from drivetrain.compute.policy.values import Share


def attempt(begin_s: float, end_s: float | None, milli: int = 1000) -> AttemptRecord:
    shares = (Share("a", ((0, milli),)),)
    return AttemptRecord(id="job.0", job="job", number=0, shares=shares, placed_s=begin_s, ended_s=end_s)


def test_a_half_life_later_it_counts_half() -> None:
    book = UsageBook(half_life_s=100.0)
    book.add("a", attempt(0.0, 0.001))
    now, later = (book.at(at_s, [])[0].milli_s for at_s in (0.001, 100.001))
    assert now == pytest.approx(1.0, rel=1e-4)
    assert later == pytest.approx(now / 2, rel=1e-6)


def test_what_is_held_counts_as_it_is_held() -> None:
    book = UsageBook(half_life_s=1e9)
    assert book.at(10.0, [("a", attempt(0.0, None))])[0].milli_s == pytest.approx(10_000, rel=1e-6)


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)), min_size=1, max_size=8), st.randoms())
def test_the_order_in_which_ends_are_told_does_not_matter(spans: list[tuple[float, float]], order: object) -> None:
    attempts = [attempt(min(span), max(span)) for span in spans]
    books = UsageBook(), UsageBook()
    for each in attempts:
        books[0].add("a", each)
    order.shuffle(attempts)  # type: ignore[attr-defined]
    for each in attempts:
        books[1].add("a", each)
    first, second = (book.at(2e5, [])[0].milli_s for book in books)
    assert first == pytest.approx(second, rel=1e-6, abs=1e-6)
