"""A module that is late is there in full as soon as it is used, and only who imported it meanwhile has it late."""

from __future__ import annotations

import sys

import pytest

from drivetrain.core.late import Late


def test_a_late_module_is_loaded_when_something_of_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with Late("colorsys"):
        import colorsys as late
    assert "colorsys" not in sys.modules
    assert late.rgb_to_yiq(0, 0, 0) == (0, 0, 0)
    import colorsys

    assert late.ONE_THIRD == colorsys.ONE_THIRD
    with pytest.raises(AttributeError):
        print(late.nothing)  # type: ignore[attr-defined]  # on purpose


def test_a_late_function_is_that_of_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with Late("colorsys:rgb_to_hsv,hsv_to_rgb"):
        from colorsys import hsv_to_rgb, rgb_to_hsv
    assert "colorsys" not in sys.modules
    assert rgb_to_hsv(1, b=0, g=0) == (0, 1, 1)
    assert hsv_to_rgb(0, 1, v=1) == (1, 0, 0)


def test_what_was_loaded_before_is_not_made_late() -> None:
    with Late("sys"):
        import sys as again
    assert again is sys
