from __future__ import annotations

import re

import pytest

from drivetrain.core.leaves import FreeLeaf, Leaf
from drivetrain.figures import stylesheet
from drivetrain.figures.tokens import FREE, GROUND, HATCHES, LEAVES, PARTS


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_leaf_has_a_paint() -> None:
    assert set(Leaf) == set(LEAVES) | {Leaf.UNKNOWN}
    assert set(FreeLeaf) == set(FREE) | {FreeLeaf.IDLE}


def test_leaves_that_share_a_colour_are_told_apart_by_hatching() -> None:
    shown = {**LEAVES, **FREE, "idle": PARTS["idle"]}
    paints = [(colours, HATCHES.get(leaf)) for leaf, colours in shown.items()]
    assert len(set(paints)) == len(paints)


@pytest.mark.parametrize("theme", [0, 1])
def test_text_reads_on_all_grounds_and_leaves_stand_out_from_theirs(theme: int) -> None:
    for text in ("text", "text-2", "text-3", "accent", "ok", "warn", "err"):
        for ground in ("bg", "surface", "surface-2"):
            assert _contrast(GROUND[text][theme], GROUND[ground][theme]) >= 4.5, (text, ground)
    for leaf, colours in (LEAVES | FREE).items():
        assert _contrast(colours[theme], GROUND["bg"][theme]) >= 3.0 - 0.005, leaf


def test_every_property_that_the_stylesheet_uses_is_defined_in_it() -> None:
    css = stylesheet()
    used = set(re.findall(r"var\((--[\w-]+)\)", css))
    assert used <= set(re.findall(r"(--[\w-]+):", css))
