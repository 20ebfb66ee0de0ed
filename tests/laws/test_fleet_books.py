"""A fleet's books: closed at any times, page by page, they say of any window what the whole history says."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.laws.test_fleet import END, SEEDS, history

from drivetrain.core.errors import UsageError
from drivetrain.ledger.fleet import (
    Attempt,
    Details,
    Fleet,
    FleetEvent,
    NodeEvent,
    Page,
    Past,
    PriceEvent,
    Summary,
    Sweep,
    SweepState,
    Told,
    close,
    fleet_now,
    fleet_of,
    kept,
    now_json,
    restored,
    statement,
    summary_of,
    with_past,
)

MANY = settings(max_examples=120)
T = TypeVar("T")
Tolds = dict[tuple[str, int], Told]


def in_order(events: Sequence[FleetEvent]) -> tuple[list[FleetEvent], Tolds]:
    """What happened, and what was told of attempts last."""
    known = sorted((event for event in events if event.t <= END), key=lambda event: event.t)
    told = {(event.job, event.attempt): event for event in known if isinstance(event, Told)}
    return list(dict.fromkeys(event for event in known if not isinstance(event, Told))), told


def tell(attempts: Sequence[Attempt], told: Tolds) -> None:
    for attempt in attempts:
        attempt.told = told.get((attempt.job, attempt.number))


def closed(events: list[FleetEvent], told: Tolds, draw: random.Random) -> tuple[Sweep, list[Page]]:
    """A sweep that was put away and taken up again some times, and the pages that it left."""
    sweep, pages = Sweep(), []
    cuts = sorted(draw.choices(range(len(events) + 1), k=draw.randint(1, 5)))
    for index, event in enumerate(events):
        for _ in range(cuts.count(index)):
            going_on = {getattr(later, "job", "") for later in events[index:]}
            over = [a for a in sweep.attempts.values() if a.end_ns is not None and a.job not in going_on]
            over = [attempt for attempt in over if attempt.claims and draw.random() < 0.8]
            tell(over, told)
            pages.append(through_json(close(sweep, over), Page))
            sweep = restored(through_json(kept(sweep), SweepState))
        sweep.take(event)
    return sweep, pages


def through_json(value: T, of: type[T]) -> T:
    return msgspec.json.decode(msgspec.json.encode(value), type=of)


def past_of(pages: list[Page], since: int, names: Collection[str]) -> Past:
    """As a database would find it: by when pages end, and attempts begin and end."""
    starts = [0, *(page.end_ns for page in pages)]
    found = [(start, page) for start, page in zip(starts, pages, strict=False) if page.end_ns > since]
    cut = [each for page in pages for each in page.attempts if each.claims[0].alloc.t < since < (each.end_ns or 0)]
    first = (found[0][1].curves, found[0][1].end_ns) if found and found[0][0] < since else None
    past = Past(since, names, first, tuple(cut))
    past.take(as_read(page) for _, page in found)
    return past


def as_read(page: Page) -> tuple[Summary, Callable[[], Details]]:
    summary, details = summary_of(page)
    return through_json(summary, Summary), lambda: through_json(details, Details)


def both(seed: int, since: int, names: Collection[str]) -> tuple[Fleet, Fleet]:
    events, told = in_order(history(seed))
    sweep, pages = closed(events, told, random.Random(seed))
    fleet = with_past(sweep, END, past_of(pages, since, names))
    tell([attempt for attempt in fleet.attempts if attempt.told is None], told)
    return fleet_of([*events, *told.values()], END), fleet


@MANY
@given(SEEDS, st.integers(0, END))
def test_books_that_were_closed_say_of_any_window_what_the_whole_history_says(seed: int, since: int) -> None:
    for by in ((), ("pool",), ("team",), ("pool", "team"), ("user",), ("job",), ("team", "job", "pool")):
        whole, books = both(seed, since, by)
        found = statement(books, since, END, by=by)
        found.check()
        assert found == statement(whole, since, END, by=by)
    for where in ({"pool": "a"}, {"team": "red"}, {"pool": "b", "user": "v"}):
        whole, books = both(seed, since, where)
        assert statement(books, since, END, where=where) == statement(whole, since, END, where=where)


@MANY
@given(SEEDS, st.integers(0, END))
def test_the_fleet_now_is_the_same_from_books_that_were_closed(seed: int, since: int) -> None:
    whole, books = both(seed, since, ("pool", "job"))
    window_ns = END - since
    assert now_json(fleet_now(books, window_ns=window_ns)) == now_json(fleet_now(whole, window_ns=window_ns))


def test_books_are_asked_for_no_other_window_than_they_were_read_for() -> None:
    sweep = Sweep()
    sweep.take(PriceEvent(0, "a", 1))
    sweep.take(NodeEvent(1, "n", "a", "up", 1))
    books = with_past(sweep, END, Past(10, ("team",)))
    assert statement(books, 10, END).whole.capacity == 1000 * (END - 10)
    for window in ((9, END), (11, END), (10, END - 1)):
        with pytest.raises(UsageError, match="was read for the window"):
            statement(books, *window)
    with pytest.raises(UsageError, match="not read by user"):
        statement(books, 10, END, by=["user"])
