from __future__ import annotations

import pytest
from tests.bench.detect.annotated import covering_of, f1_of


@pytest.mark.parametrize(
    ("marked", "found", "f1"),
    [
        ([], [], 1.0),
        ([50], [50], 1.0),
        ([50], [45], 1.0),
        ([50], [44], 0.5),
        ([50], [], 2 / 3),
        ([], [50], 2 / 3),
        ([50], [48, 52], 0.8),
        ([50, 58], [54], 0.8),
    ],
)
def test_a_point_answers_for_one_marked_point_that_is_near(marked: list[int], found: list[int], f1: float) -> None:
    assert f1_of(marked, found) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("marked", "found", "covering"),
    [([], [], 1.0), ([50], [50], 1.0), ([50], [], 0.5), ([], [50], 0.5), ([50], [40], 0.5 * 0.8 + 0.5 * 50 / 60)],
)
def test_parts_cover_each_other_by_what_they_share(marked: list[int], found: list[int], covering: float) -> None:
    assert covering_of(marked, found, 100) == pytest.approx(covering)
