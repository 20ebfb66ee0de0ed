"""What teams may use, while it changes."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from drivetrain.compute.policy.quota import Book
from drivetrain.compute.policy.values import Quota

TEAMS, POOLS = ("maps", "cars", "none"), ("a", "b")
QUOTAS = st.lists(
    st.builds(
        Quota,
        st.sampled_from(TEAMS[:2]),
        st.sampled_from(["", "all"]),
        st.sampled_from(["", "a"]),
        st.integers(0, 8000),
        st.one_of(st.none(), st.integers(0, 4000)),
        st.one_of(st.none(), st.integers(0, 8000)),
    ),
    max_size=3,
    unique_by=lambda quota: (quota.team, quota.pool),
)
USES = st.lists(st.tuples(st.sampled_from(TEAMS), st.sampled_from(POOLS), st.integers(0, 6000)), max_size=12)


def book_of(quotas: list[Quota], used: Counter[tuple[str, str]]) -> Book:
    book = Book(quotas, {"a": 16_000, "b": 8000})
    for (team, pool), milli in used.items():
        book.use(team, pool, milli)
    return book


@given(quotas=QUOTAS, uses=USES, num_given_back=st.integers(0, 12))
def test_a_book_depends_on_what_is_used_and_not_on_how_it_came_to_that(
    quotas: list[Quota], uses: list[tuple[str, str, int]], num_given_back: int
) -> None:
    book, used = book_of(quotas, Counter()), Counter[tuple[str, str]]()
    changes = [*uses, *((team, pool, -milli) for team, pool, milli in uses[:num_given_back])]
    for team, pool, milli in changes:
        before = book.copy()
        book.use(team, pool, milli)
        assert standing(before) == standing(book_of(quotas, used))
        used[team, pool] += milli
        assert standing(book) == standing(book_of(quotas, used))


def standing(book: Book) -> list[tuple[int | None, int | None, int, bool]]:
    return [
        (book.room(team, pool), book.most(team, pool), book.borrowed(team, pool), book.is_lent(team, pool))
        for team in TEAMS
        for pool in POOLS
    ]
