from __future__ import annotations

from drivetrain.launch.policy import Failure, RankEnd, failure_text, first_to_fail, why_give_up

PEER = ("RuntimeError: [gloo/transport/tcp/pair.cc:537] Read error [127.0.0.1]:1: Connection reset by peer",)


def failed(code: int, *, attempt: int = 0, step: int | None = None, silent_ns: int | None = None) -> Failure:
    return Failure(attempt, RankEnd(0, code, 0), step, step, silent_ns)


def test_a_rank_that_lost_its_peer_is_explained_by_the_peer_even_if_it_left_first() -> None:
    consequence = RankEnd(0, 1, at_ns=5, last_words=PEER)
    cause = RankEnd(1, 1, at_ns=9, last_words=("ValueError: bad batch",))
    assert first_to_fail([consequence, cause]) is cause


def test_a_rank_that_was_told_to_end_explains_nothing() -> None:
    told = RankEnd(0, -15, at_ns=5, was_told=True)
    cause = RankEnd(1, 3, at_ns=9)
    assert first_to_fail([told, cause, RankEnd(2, 0, at_ns=1)]) is cause


def test_of_equals_the_earlier_one_failed_first_and_none_when_all_ended_well() -> None:
    ends = [RankEnd(0, 1, at_ns=5), RankEnd(1, 1, at_ns=4)]
    assert first_to_fail(ends) is ends[1]
    assert first_to_fail([RankEnd(0, 0, 1), RankEnd(1, 0, 2)]) is None


def test_a_first_failure_is_tried_again_unless_its_code_is_permanent() -> None:
    assert why_give_up([failed(1)], restarts=3) is None
    assert why_give_up([failed(-9)], restarts=3) is None
    assert "exit code 65" in (why_give_up([failed(65)], restarts=3) or "")
    assert "no restarts" in (why_give_up([failed(1)], restarts=0) or "")


def test_what_repeats_without_a_step_more_is_not_tried_again() -> None:
    assert "no further" in (why_give_up([failed(1), failed(1)], restarts=3) or "")
    assert "no further" in (why_give_up([failed(1, step=7), failed(1, step=7)], restarts=3) or "")
    assert "no further" in (why_give_up([failed(-11, step=7), failed(-11, step=6)], restarts=3) or "")
    assert why_give_up([failed(1, step=7), failed(1, step=8)], restarts=3) is None
    assert "no further" in (why_give_up([failed(-9, step=4, silent_ns=1)] * 2, restarts=3) or "")


def test_kills_from_outside_are_limited_by_the_number_of_restarts_alone() -> None:
    kills = [failed(-9, step=step) for step in (40, 20, 20, 10)]
    assert all(why_give_up(kills[:count], restarts=3) is None for count in (1, 2, 3))
    assert "all 3 restarts" in (why_give_up(kills, restarts=3) or "")


def test_the_paragraph_says_who_how_where_the_last_words_and_how_often() -> None:
    end = RankEnd(1, -11, 0, last_words=("one", "  two", "three", "four"))
    failures = [failed(1), Failure(1, end, 48, 48)]
    text = failure_text(failures, "enough", "logs/x.log")
    assert text == (
        "rank 1 was killed by SIGSEGV at step 48, its last words: two / three / four. "
        "Gave up after 2 attempts: enough. All that it printed is in logs/x.log"
    )


def test_a_rank_that_is_killed_without_a_word_may_have_had_no_memory_left() -> None:
    assert "without a word on stderr, as it is where memory runs out." in failure_text([failed(-9)], "enough", "x.log")
    assert "without a word on stderr." in failure_text([failed(-11)], "enough", "x.log")
    assert "memory" not in failure_text([failed(-9, silent_ns=5)], "enough", "x.log")


def test_the_exit_code_is_the_ranks_own_or_1() -> None:
    assert [failed(code).exit_code for code in (3, 125, 126, 200, -9)] == [3, 125, 1, 1, 1]
    assert failed(-9, silent_ns=5).exit_code == 1
    assert "hung" in str(failed(-9, step=3, silent_ns=5_000_000_000))
