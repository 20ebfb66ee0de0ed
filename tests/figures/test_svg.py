from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.figures import element, join
from drivetrain.figures.svg import figure, number


@given(st.text(st.characters()), st.text(st.characters()))
def test_any_text_comes_out_as_well_formed_xml_and_is_never_markup(content: str, value: str) -> None:
    parsed = ElementTree.fromstring(element("g", content, "<b>", data_x=value or "x"))
    assert len(parsed) == 0
    element("g", content).encode()  # no lone surrogates


def test_markup_goes_in_as_it_is_and_text_beside_it_is_escaped() -> None:
    assert element("g", element("b", "1 < 2"), " & ") == "<g><b>1 &lt; 2</b> &amp; </g>"
    assert join("<", element("i")) == "&lt;<i></i>"


def test_attributes_without_a_value_and_left_out_ones() -> None:
    assert element("path", hidden="", fill=None, stroke_width=1.50) == '<path hidden stroke-width="1.5"/>'


@pytest.mark.parametrize("name", ["style", "onclick"])
def test_inline_styles_and_handlers_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="use a class"):
        element("rect", **{name: "fill:red"})


def test_a_key_that_cannot_start_an_id_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot start ids"):
        figure(1, 1, key='a"b', title="t", desc="d")


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (-0.001, "0"), (12.3456, "12.35"), (100, "100"), (0.5, "0.5")])
def test_coordinates_are_short(value: float, text: str) -> None:
    assert number(value) == text
