from __future__ import annotations

import pytest

from drivetrain.core.errors import UsageError
from drivetrain.core.units import NS_PER_MS, NS_PER_S
from drivetrain.launch.elastic import Gathering, Next, after_failure, farewell, parse_range
from drivetrain.launch.policy import Failure, RankEnd


def failed(code: int, attempt: int = 0, furthest: int | None = 5) -> Failure:
    return Failure(attempt, RankEnd(0, code, 0), furthest, furthest)


@pytest.mark.parametrize(
    ("come_ns", "begins_ns", "num"),
    [
        ((0, 10, 20, 30), 30, 4),
        ((0, 10, 900), 1900, 3),
        ((0, 10, 1200), 1010, 2),
        ((0, 5000), 6000, 2),
        ((0,), 8000, 1),
    ],
)
def test_a_run_begins_with_all_nodes_or_with_enough_once_no_more_come_or_waits_in_vain(
    come_ns: tuple[int, ...], begins_ns: int, num: int
) -> None:
    gathering = Gathering(2, 4, 1000, until_ns=8000)
    looks = ((now_ns, sum(at_ns <= now_ns for at_ns in come_ns)) for now_ns in range(0, 10_000, 10))
    assert next(look for look in looks if gathering.is_over(look[1], look[0])) == (begins_ns, num)


def test_a_range_is_the_least_and_the_most_or_one_number() -> None:
    assert parse_range("--ranks", "2:8") == (2, 8)
    assert parse_range("--ranks", "4") == (4, 4)


@pytest.mark.parametrize(
    ("text", "hint"),
    [("8:2", "--ranks 2:8"), ("0:2", "--ranks 1:2"), ("0", "--ranks 1"), ("a:b", "--ranks 2:8"), ("2:", "")],
)
def test_what_is_no_range_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_range("--ranks", text)
    assert text in caught.value.message
    assert hint in (caught.value.hint or "")


def test_where_trying_again_is_vain_there_is_one_rank_fewer_until_there_are_the_fewest() -> None:
    twice = [failed(3), failed(3, attempt=1)]
    assert after_failure(twice[:1], restarts=3, num_ranks=3, min_ranks=2) == Next(3)
    assert after_failure(twice, restarts=3, num_ranks=3, min_ranks=2).num_ranks == 2
    assert after_failure(twice, restarts=3, num_ranks=2, min_ranks=2).num_ranks == 0


def test_an_exit_code_that_says_trying_is_vain_ends_the_run_however_many_ranks_there_are() -> None:
    assert after_failure([failed(2)], restarts=3, num_ranks=3, min_ranks=1).num_ranks == 0


def test_ranks_leave_at_a_step_that_none_has_begun_when_all_have_heard_of_it() -> None:
    quick, slow, none = farewell(10, NS_PER_MS), farewell(10, 4 * NS_PER_S), farewell(None, None)
    assert quick is not None
    assert slow is not None
    assert none is not None
    assert quick.at_step == 10 + 151
    assert slow.at_step == 12
    assert slow.within_ns > 8 * NS_PER_S
    assert none.at_step == 0
    assert farewell(3, None) is None
