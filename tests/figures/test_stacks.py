from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.figures import Dot, band_timeline, roofline, stack_chart
from drivetrain.figures.stacks import _merged
from drivetrain.figures.timeline import NUM_COLUMNS
from drivetrain.figures.tokens import PARTS

MS = 1_000_000


@settings(max_examples=30)
@given(st.lists(st.dictionaries(st.sampled_from(list(PARTS)), st.integers(0, 10**9)), max_size=900))
def test_merged_columns_keep_the_mean_of_each_part_and_their_number_in_bounds(parts: list[dict[str, int]]) -> None:
    columns, each = _merged([(str(i), one) for i, one in enumerate(parts)])
    assert len(columns) <= 296
    total = {part: sum(one.get(part, 0) for one in parts) for part in PARTS}
    sizes = [min(each, len(parts) - i * each) for i in range(len(columns))]
    for part in PARTS:
        drawn = sum(column.get(part, 0) * size for (_, column), size in zip(columns, sizes, strict=True))
        assert abs(drawn - total[part]) <= 1e-6 * (total[part] + 1)


def test_a_stack_chart_is_one_small_figure_whatever_it_is_given() -> None:
    stacks = [(str(i), {"forward": 3 * MS, "loader": (i % 7) * MS}) for i in range(100_000)]
    chart = stack_chart(stacks, key="steps", title="Steps", x_label="step")
    ElementTree.fromstring(chart)
    assert len(chart) < 60_000
    assert "step, 338 to a column" in chart
    assert "part-forward" in chart


def test_no_steps_and_steps_without_time_are_drawn_as_nothing() -> None:
    for stacks in ([], [("0", {})], [("0", {"idle": 0})]):
        chart = stack_chart(stacks, key="steps", title="Steps", x_label="step")
        ElementTree.fromstring(chart)
        assert "nan" not in chart, "a share of no time"


def test_bands_are_drawn_under_their_own_names() -> None:
    bands = {"device 0": [{"compute": 1.0}] * NUM_COLUMNS, "host": [{} for _ in range(NUM_COLUMNS)]}
    chart = band_timeline(bands, NUM_COLUMNS, key="line", title="Devices over time", what="band")
    root = ElementTree.fromstring(chart)
    assert "device 0" in {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert "2 bands over" in chart


def test_a_roofline_leaves_out_what_has_no_place_on_logarithmic_axes() -> None:
    dots = [Dot("aten::mm", 90.0, 4e14, 0.6), Dot("aten::relu", 0.0, 0.0, 0.1)]
    chart = roofline(dots, 9.9e14, 3.35e12, key="roof")
    root = ElementTree.fromstring(chart)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}circle"))) == 1
    assert "a peak of 990 TFLOP/s" in chart
    ElementTree.fromstring(roofline([], 1e12, 0.0, key="roof"))
