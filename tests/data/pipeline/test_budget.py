"""The books of a queue: never more than the budget but by what entries at once outgrow all before them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivetrain.data.pipeline.budget import Share

SIZES = st.lists(st.integers(1, 100), min_size=1, max_size=60)


def run_all(share: Share, sizes: list[int], num_workers: int, random: st.DataObject) -> int:
    """Lets entries in, finishes and takes them in some order; the most that really was under way."""
    waiting, running, done, peak = list(sizes), [], 0, 0
    while waiting or running or done:
        while waiting and share.admits:
            running.append(waiting.pop(0))
            share.begin(0)
        at_work = running[:num_workers]
        peak = max(peak, done + sum(at_work))
        assert running or done  # something can always go on
        if running and (not done or random.draw(st.booleans())):
            size = running.pop(random.draw(st.integers(0, len(at_work) - 1)))
            share.finish(size, size)
            done += size
        else:
            share.take(done)
            # The bookkeeping takes any number of bytes; take them all at once as that many entries.
            share._num_done, done = 0, 0
    return peak


@given(SIZES, st.integers(1, 4), st.data())
def test_what_is_under_way_stays_within_the_limit_and_what_outgrew_the_rest(
    sizes: list[int], num_workers: int, random: st.DataObject
) -> None:
    share = Share(limit_bytes=400, most_entries=32)
    peak = run_all(share, sizes, num_workers, random)
    growth = max(sizes) - min(sizes)
    assert peak <= 400 + num_workers * growth
    assert peak <= share.peak_bytes + num_workers * growth


@given(st.integers(1, 1000), st.data())
def test_entries_of_one_size_never_pass_it(size: int, random: st.DataObject) -> None:
    share = Share(limit_bytes=1000, most_entries=32)
    assert run_all(share, [size] * 40, 4, random) <= 1000
    assert share.peak_bytes <= 1000


def test_one_entry_is_always_let_in_and_the_first_runs_alone() -> None:
    share = Share(limit_bytes=10, most_entries=4)
    assert share.admits
    share.begin(input_bytes=500)
    assert not share.admits
    share.finish(peak_bytes=500, output_bytes=3)
    assert not share.admits
    assert share.fullness == 0.3
    share.take(3)
    assert share.admits


def test_small_entries_are_bounded_by_number() -> None:
    share = Share(limit_bytes=10**9, most_entries=3)
    share.begin(1)
    share.finish(1, 1)
    share.begin(1)
    share.begin(1)
    assert not share.admits
