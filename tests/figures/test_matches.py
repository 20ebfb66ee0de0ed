from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from drivetrain.figures import Markup, MatchRow, bin_chart, match_chart, standalone


def test_each_join_is_a_bar_and_what_found_nothing_a_cross() -> None:
    reference = MatchRow("camera/front", "3 rows", [0.0, 0.1, 0.2], [])
    lidar = MatchRow("lidar/top", "2 of 3", [0.01, 0.11], [0.01, 0.11, None])
    figure = match_chart(reference, [lidar], key="sync", title="joined")
    root = ET.fromstring(figure)
    paths = [path.get("d", "") for path in root.iter() if path.tag.endswith("path")]
    bars = next(d for d in paths if d.count("H") == 2 and d.count("M") == 2)
    assert bars
    assert sum("l6 6" in d for d in paths) == 1
    assert "1 times nothing was near enough" in figure


def test_a_chart_of_no_messages_is_still_a_chart() -> None:
    empty = MatchRow("lidar/top", "", [], [])
    assert ET.fromstring(match_chart(empty, [empty], key="sync", title="nothing")) is not None


def test_bins_are_as_high_as_their_counts() -> None:
    root = ET.fromstring(bin_chart([0, 1, 2, 3], [4, 0, 2], key="bins", title="bins", x_label="ms"))
    bars = next(p.get("d", "") for p in root.iter() if p.get("class") == "dot-0")
    assert bars.count("z") == 2


def test_a_figure_alone_is_a_document_with_its_colours() -> None:
    document = standalone(bin_chart([0, 1], [1], key="bins", title="bins", x_label="ms"))
    root = ET.fromstring(document)
    assert root.tag.endswith("svg")
    assert "--bg" in document
    with pytest.raises(ValueError, match="only an SVG figure"):
        standalone(Markup("<p>text</p>"))
