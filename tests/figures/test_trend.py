from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from drivetrain.figures import Mark, Measurement, trend_chart


def chart(num: int, marks: list[Mark]) -> ET.Element:
    measurements = [Measurement(1 + at % 3, 0.5, 4, f"day {at // 10}") for at in range(num)]
    return ET.fromstring(trend_chart(measurements, marks, key="t", title="a case: time, s"))


def all_of(root: ET.Element, class_: str) -> list[ET.Element]:
    return [one for one in root.iter() if class_ in (one.get("class") or "").split()]


def test_each_measurement_is_a_dot_and_each_level_a_line() -> None:
    root = chart(30, [Mark(10, 1, 2, "+100.0 %", False), Mark(20, 2, 1, "-50.0 %", True)])
    assert len(all_of(root, "dot")) == 30
    assert len(all_of(root, "line-1")) == 3
    assert len(all_of(root, "line-5")) == len(all_of(root, "line-3")) == 1
    assert [one.text for one in all_of(root, "strong")] == ["+100.0 %", "-50.0 %"]


def test_the_words_say_what_the_picture_shows() -> None:
    root = chart(30, [Mark(10, 1, 2, "+100.0 %", False)])
    words = next(one.text for one in root.iter() if one.tag.endswith("desc"))
    assert words == "30 measurements from 1 to 3, last 3; +100.0 % at 11."


@pytest.mark.parametrize("num", [1, 2, 200, 201, 5000])
def test_its_size_is_bounded(num: int) -> None:
    marks = [Mark(at, 1, 2, f"+{at}.0 %", False) for at in range(1, num, 7)]
    measurements = [Measurement(at % 7, at % 7, at % 7, "2026-01-01") for at in range(num)]
    assert len(trend_chart(measurements, marks, key="t", title="a")) < 60_000


def test_equal_values_can_be_drawn() -> None:
    for value in (0.0, 5.0, -5.0):
        root = ET.fromstring(trend_chart([Measurement(value, value, value)] * 3, [], key="t", title="a"))
        assert len(all_of(root, "dot")) == 3
