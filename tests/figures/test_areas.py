from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.core.leaves import FreeLeaf, Leaf
from drivetrain.figures import area_chart
from drivetrain.figures.areas import _merged

LEAVES = [*map(str, Leaf), *map(str, FreeLeaf)]
HOUR = 3600.0


@settings(max_examples=20)
@given(st.lists(st.dictionaries(st.sampled_from(LEAVES), st.floats(0, 8000)), max_size=1000))
def test_merged_columns_keep_the_mean_of_each_leaf(columns: list[dict[str, float]]) -> None:
    merged = _merged(columns)
    assert len(merged) <= 297
    each = -(-len(columns) // 297) or 1
    for leaf in LEAVES:
        total = sum(column.get(leaf, 0) for column in columns)
        sizes = [min(each, len(columns) - i * each) for i in range(len(merged))]
        drawn = sum(column.get(leaf, 0) * size for column, size in zip(merged, sizes, strict=True))
        assert abs(drawn - total) <= 1e-6 * (total + 1)


def test_leaves_stand_on_each_other_up_to_the_capacity_with_the_productive_below_the_idle() -> None:
    chart = area_chart([{"idle": 2.0, "productive": 6.0}, {"fragmented": 8.0}], 2 * HOUR, key="cap", title="Capacity")
    root = ElementTree.fromstring(chart)
    shapes = [path for path in root.iter("{http://www.w3.org/2000/svg}path") if path.get("d", "").endswith("z")]
    assert [(shape.get("fill") or shape.get("class"), shape.get("d")) for shape in shapes] == [
        ("cell leaf-productive", "M56 190V55H502V190H948V190H56z"),
        ("url(#cap-fragmented)", "M56 55V55H502V10H948V190H502V55H56z"),
        ("cell part-idle", "M56 55V10H948V10H502V55H56z"),
    ]
    assert "Up to 8 devices" in chart


def test_it_is_one_small_figure_whatever_it_is_given() -> None:
    columns = [{leaf: float(i % 7) for leaf in LEAVES} for i in range(100_000)]
    chart = area_chart(columns, 1e6, key="cap", title="Capacity")
    ElementTree.fromstring(chart)
    assert len(chart) < 200_000
    for empty in ([], [{}], [{"idle": 0.0}]):
        chart = area_chart(empty, 0.0, key="cap", title="Capacity")
        ElementTree.fromstring(chart)
        assert "nan" not in chart
