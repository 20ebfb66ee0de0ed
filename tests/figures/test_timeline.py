from __future__ import annotations

import math
import re
from random import Random
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.core.leaves import Leaf
from drivetrain.figures import Span, rank_timeline
from drivetrain.figures.timeline import bucket_spans, split_column

LEAVES = [leaf.value for leaf in Leaf]


@st.composite
def _spans(draw: st.DrawFn) -> list[Span]:
    spans = []
    for rank in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, 10**6))
        for length in draw(st.lists(st.integers(1, 10**7), max_size=12)):
            spans.append(Span(rank, at, at + length, draw(st.sampled_from(LEAVES))))
            at += length
    return spans


@settings(max_examples=40)
@given(_spans(), st.integers(1, 97))
def test_buckets_hold_all_time_and_none_holds_more_than_its_length(spans: list[Span], num_columns: int) -> None:
    end_ns = max((span.end_ns for span in spans), default=1)
    buckets = bucket_spans(spans, 0, end_ns, num_columns)
    total = sum(ns for columns in buckets.values() for column in columns for ns in column.values())
    assert math.isclose(total, sum(span.end_ns - span.start_ns for span in spans), abs_tol=1)
    for columns in buckets.values():
        assert all(sum(column.values()) <= end_ns / num_columns + 0.01 for column in columns)


@given(st.dictionaries(st.sampled_from(LEAVES), st.floats(0.001, 1e12), max_size=14), st.integers(8, 14))
def test_each_leaf_in_a_column_has_a_sub_row_and_they_never_pass_the_band(
    column: dict[str, float], num_subrows: int
) -> None:
    split = split_column(column, num_subrows, sum(column.values()) or 1.0)
    assert all(rows >= 1 for _, rows in split)
    assert sum(rows for _, rows in split) == (num_subrows if column else 0)
    assert len(split) == min(len(column), num_subrows // 2)


def test_a_stall_of_a_thousandth_of_a_pixel_still_shows() -> None:
    hour = 3600 * 10**9
    stall = Span(0, hour // 2, hour // 2 + hour // 896 // 1000, "comm_wait")
    spans = [Span(0, 0, stall.start_ns, "productive"), stall, Span(0, stall.end_ns, hour, "productive")]
    assert "leaf-comm_wait" in rank_timeline(spans, 0, hour, key="t")


@pytest.mark.parametrize(("num_ranks", "num_spans"), [(2, 20_000), (64, 1000)])
def test_the_figure_stays_small_whatever_it_is_given(num_ranks: int, num_spans: int) -> None:
    random, step = Random(0), 10**6
    spans = [
        Span(rank, i * step, (i + 1) * step, random.choice(LEAVES))
        for rank in range(num_ranks)
        for i in range(num_spans)
    ]
    assert 50_000 < len(rank_timeline(spans, 0, num_spans * step, key="t")) < 400_000


def test_a_band_is_filled_from_edge_to_edge() -> None:
    markup = rank_timeline([Span(3, 0, 100, "productive")], 0, 100, key="t")
    path = next(p for p in ElementTree.fromstring(markup).iter() if "leaf-productive" in p.get("class", ""))
    assert re.fullmatch(r"M56 0h896v28h-896z", path.attrib["d"])
    assert "rank 3" in markup


def test_no_spans_are_a_figure_without_ranks() -> None:
    assert "0 ranks" in rank_timeline([], 0, 0, key="t")
