from __future__ import annotations

from collections import Counter

from tests.bench.runs import Lab, measured

from drivetrain.bench.contest import PLAIN, Entry, hold_contest
from drivetrain.bench.measure import Measured
from drivetrain.bench.trials import Failed, StoppedError
from drivetrain.core.trials import Trial

ENTRIES = [Entry("a", Trial(fused=True)), Entry("b", Trial(channels_last=True))]


def test_every_second_block_is_turned_round() -> None:
    lab = Lab({})
    hold_contest(lab.run, ENTRIES, Trial(), now_s=lambda: lab.now_s, until_s=6)
    assert lab.names == [PLAIN, "a", "b", "b", "a", PLAIN]
    assert [trial.seed_offset for trial in lab.trials] == [0, 0, 0, 1, 1, 1]


def test_over_two_blocks_a_steady_drift_cancels_out() -> None:
    lab = Lab({})
    hold_contest(lab.run, ENTRIES, Trial(), now_s=lambda: lab.now_s, until_s=12)
    places = Counter[str]()
    for place, name in enumerate(lab.names):
        places[name] += place
    assert len(set(places.values())) == 1


def test_one_that_fails_is_tried_once_and_the_others_go_on() -> None:
    lab = Lab({"a": "no such kernel"})
    results = hold_contest(lab.run, ENTRIES, Trial(), now_s=lambda: lab.now_s, until_s=7)
    assert Counter(lab.names)["a"] == 1
    assert results.failed == {"a": "no such kernel"}
    assert len(results.pairs("b")) == 3


def test_one_that_is_hopelessly_slow_gets_one_pair_unless_it_is_for_memory() -> None:
    lab = Lab({"a": lambda _: measured(0.9), "b": lambda _: measured(0.9)})
    entries = [ENTRIES[0], Entry("b", Trial(), may_be_slow=True)]
    results = hold_contest(lab.run, entries, Trial(), now_s=lambda: lab.now_s, until_s=9)
    assert list(results.hopeless) == ["a"]
    assert (len(results.pairs("a")), len(results.pairs("b"))) == (1, 4)


def test_when_the_plain_recipe_fails_the_contest_is_over() -> None:
    lab = Lab({PLAIN: "out of memory"})
    results = hold_contest(lab.run, ENTRIES, Trial(), now_s=lambda: lab.now_s, until_s=20)
    assert PLAIN in results.failed
    assert len(results.blocks) == 1


def test_a_stop_keeps_what_is_known() -> None:
    lab = Lab({})

    def run(name: str, trial: Trial) -> Measured | Failed:
        if len(lab.names) == 4:
            raise StoppedError
        return lab.run(name, trial)

    results = hold_contest(run, ENTRIES, Trial(), now_s=lambda: lab.now_s, until_s=20)
    assert results.is_stopped
    assert len(results.pairs("a")) == 1


def test_a_block_that_would_end_too_late_is_not_begun() -> None:
    lab = Lab({})
    hold_contest(lab.run, ENTRIES, Trial(), now_s=lambda: lab.now_s, until_s=5.5)
    assert len(lab.names) == 3


def test_a_first_block_that_takes_too_long_is_cut_short() -> None:
    lab = Lab({}, seconds_each=10)
    results = hold_contest(lab.run, ENTRIES, Trial(), now_s=lambda: lab.now_s, until_s=15)
    assert lab.names == [PLAIN, "a"]
    assert len(results.pairs("a")) == 1
    assert results.pairs("b") == []
