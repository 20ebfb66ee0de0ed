from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.bench.decide.sessions import Numbers, pair, result

from drivetrain.bench.decide import FALSE_VERDICTS, CaseVerdict, compare, gate, newest_sides, sides_of
from drivetrain.bench.results import Result


def noisy(source: random.Random, num: int, level: float = 1.0, noise: float = 0.01) -> list[float]:
    return [level * math.exp(noise * source.gauss(0, 1)) for _ in range(num)]


def judged(before: Numbers, after: Numbers, size: float = 0.02) -> CaseVerdict:
    (verdict,) = compare([pair(before, after)], size)
    return verdict


NOISES: dict[str, Callable[[random.Random], float]] = {
    "normal": lambda source: math.exp(0.02 * source.gauss(0, 1)),
    "skewed": lambda source: 1 + 0.03 * source.expovariate(1),
    "with outliers": lambda source: math.exp(0.01 * source.gauss(0, 1)) * (1.5 if source.random() < 0.1 else 1),
}


@pytest.mark.parametrize("num_pairs", [8, 15])
@pytest.mark.parametrize("kind", NOISES)
def test_equal_code_is_called_better_or_worse_no_more_often_than_stated(kind: str, num_pairs: int) -> None:
    """500 sessions of two cases with two metrics each, which share a drift; and as much as 0.1 % would matter."""
    num_trials, num_false = 500, 0
    for trial in range(num_trials):
        source = random.Random(f"{kind} {num_pairs} {trial}")
        drift = [math.exp(0.3 * number / num_pairs + 0.1 * source.gauss(0, 1)) for number in range(num_pairs)]
        pairs = []
        for case in ("one", "two"):
            sides = [{m: [each * NOISES[kind](source) for each in drift] for m in ("time", "memory")} for _ in range(2)]
            pairs.append(pair(sides[0], sides[1], case=case))
        num_false += any(verdict.answer != "cannot tell" for verdict in compare(pairs, 0.001))
    assert num_false <= FALSE_VERDICTS * num_trials + 2 * math.sqrt(FALSE_VERDICTS * num_trials)


@pytest.mark.parametrize(("factor", "answer"), [(1.05, "worse"), (0.95, "better")])
def test_a_planted_5_percent_is_found(factor: float, answer: str) -> None:
    for seed in range(20):
        source = random.Random(seed)
        drift = [math.exp(0.2 * source.gauss(0, 1)) for _ in range(10)]
        before = [each * one for each, one in zip(drift, noisy(source, 10), strict=True)]
        after = [factor * each * one for each, one in zip(drift, noisy(source, 10), strict=True)]
        verdict = judged({"time": before}, {"time": after})
        assert verdict.answer == answer
        assert gate([verdict]) == ("FAIL" if answer == "worse" else "PASS")


def test_what_grows_is_better_where_more_is_better() -> None:
    source = random.Random(1)
    verdict = judged({"rate_per_s": noisy(source, 10)}, {"rate_per_s": noisy(source, 10, 1.1)})
    assert verdict.answer == "better"


def test_a_faster_step_that_learns_worse_is_worse() -> None:
    source = random.Random(2)
    before = {"time": noisy(source, 10), "loss": noisy(source, 10)}
    after = {"time": noisy(source, 10, 0.5), "loss": noisy(source, 10, 1.06)}
    verdict = judged(before, after)
    assert (verdict.answer, verdict.why) == ("worse", ("loss",))
    assert gate([verdict]) == "FAIL"


def test_a_faster_step_whose_loss_may_be_worse_is_not_yet_better() -> None:
    source = random.Random(3)
    before = {"time": noisy(source, 10), "loss": noisy(source, 10, noise=0.3)}
    after = {"time": noisy(source, 10, 0.5), "loss": noisy(source, 10, noise=0.3)}
    verdict = judged(before, after)
    assert (verdict.answer, verdict.why) == ("cannot tell", ("loss",))
    assert gate([verdict]) == "INSUFFICIENT"


def test_a_change_that_is_sure_and_small_does_not_matter() -> None:
    source = random.Random(4)
    verdict = judged({"time": noisy(source, 12, noise=0.001)}, {"time": noisy(source, 12, 1.01, noise=0.001)})
    assert verdict.answer == "cannot tell"
    assert verdict.comparisons[0].change.low > 0
    assert gate([verdict]) == "PASS"
    assert judged({"time": [1.0] * 12}, {"time": [1.01] * 12}, 0.005).answer == "worse"


def test_equal_code_that_was_measured_well_passes() -> None:
    source = random.Random(5)
    before, after = ({"time": noisy(source, 12), "peak_bytes": [1e9] * 12} for _ in range(2))
    verdict = judged(before, after)
    assert verdict.answer == "cannot tell"
    assert gate([verdict]) == "PASS"


def test_too_few_or_too_noisy_runs_never_pass_and_say_how_many_more_it_takes() -> None:
    source = random.Random(6)
    few = judged({"time": [1.0, 1.0]}, {"time": [1.1, 1.1]})
    assert gate([few]) == "INSUFFICIENT"
    assert few.comparisons[0].num_more == 4  # 6 pairs can be 5 % sure at all
    noisy_one = judged({"time": noisy(source, 10, noise=0.05)}, {"time": noisy(source, 10, noise=0.05)})
    assert gate([noisy_one]) == "INSUFFICIENT"
    assert noisy_one.comparisons[0].num_more is not None
    hopeless = judged({"time": noisy(source, 10, noise=3)}, {"time": noisy(source, 10, noise=3)})
    assert hopeless.comparisons[0].num_more is None


def test_as_many_more_runs_as_it_says_do_decide_mostly() -> None:
    num_decided = num_asked = 0
    for seed in range(40):
        source = random.Random(seed)
        first = judged({"time": noisy(source, 6, noise=0.04)}, {"time": noisy(source, 6, 1.05, noise=0.04)})
        more = first.comparisons[0].num_more
        if more is None or more > 100:
            continue
        num = 6 + more
        again = judged({"time": noisy(source, num, noise=0.04)}, {"time": noisy(source, num, 1.05, noise=0.04)})
        num_asked += 1
        num_decided += again.answer == "worse"
    assert num_asked >= 10
    assert num_decided >= 0.6 * num_asked


def test_nothing_to_compare_never_passes() -> None:
    source = random.Random(7)
    verdict = judged({"time": [1.0] * 12}, {"time": [1.0] * 12})
    assert gate([verdict]) == "PASS"
    assert gate([verdict], num_missing=1) == "INSUFFICIENT"
    assert gate([]) == "INSUFFICIENT"
    only_seen = judged({"seen_count": noisy(source, 12)}, {"seen_count": noisy(source, 12, 3)})
    assert (only_seen.answer, gate([only_seen])) == ("cannot tell", "INSUFFICIENT")


def test_a_metric_that_may_be_0_is_compared_by_differences() -> None:
    verdict = judged({"misses": [0.0, 1.0] * 6}, {"misses": [5.0, 6.0] * 6})
    assert verdict.answer == "worse"
    assert judged({"misses": [0.0] * 12}, {"misses": [0.0] * 12}).comparisons[0].is_harmless


positive = st.lists(st.floats(0.1, 10), min_size=6, max_size=12)


@settings(max_examples=40)
@given(positive, st.floats(0.5, 2), st.randoms(use_true_random=False))
def test_exchanging_the_sides_exchanges_the_answer(samples: list[float], factor: float, source: random.Random) -> None:
    other = [factor * each * source.uniform(0.9, 1.1) for each in samples]
    there, back = (judged({"x": one}, {"x": two}, 0.0) for one, two in ((samples, other), (other, samples)))
    assert {there.answer, back.answer} in ({"cannot tell"}, {"better", "worse"})
    assert there.comparisons[0].chance == pytest.approx(back.comparisons[0].chance)


@settings(max_examples=30)
@given(positive, st.floats(1e-9, 1e9), st.randoms(use_true_random=False))
def test_units_do_not_matter(samples: list[float], unit: float, source: random.Random) -> None:
    other = [each * source.uniform(0.8, 1.3) for each in samples]
    plain = judged({"x": samples}, {"x": other})
    scaled = judged({"x": [unit * each for each in samples]}, {"x": [unit * each for each in other]})
    assert plain.answer == scaled.answer
    assert plain.comparisons[0].change.mid == pytest.approx(scaled.comparisons[0].change.mid, abs=1e-6)


def test_the_newest_session_with_two_sides_is_chosen_by_commits() -> None:
    def both(session: str, at_ns: int) -> list[Result]:
        return [result(side, {"x": [1.0]}, session=session, at_ns=at_ns) for side in ("A", "B")]

    lonely = result("B", {"x": [1.0]}, session="s3", at_ns=3)
    results = [*both("s1", 1), *both("s2", 2), lonely]
    (chosen,) = newest_sides(results).pairs
    assert {one.session for one in chosen} == {"s2"}
    assert newest_sides(results, "aaa", "bbb").pairs == (chosen,)
    assert not newest_sides(results, "bbb").pairs
    assert not newest_sides([lonely]).pairs


def test_results_of_different_sessions_make_no_pairs() -> None:
    before, after = result("A", {"x": [1.0]}), result("B", {"x": [1.0]}, session="s2")
    assert sides_of([before], [after]).missing == (before.name,)
    assert sides_of([before], []).missing == (before.name,)
    assert sides_of([], [after]).added == (after.name,)
