"""A figure as a file of its own, which any browser or viewer opens."""

from __future__ import annotations

import re

from drivetrain.figures.svg import Markup, element
from drivetrain.figures.tokens import stylesheet

_OPENING = re.compile(r"<svg[^>]*>")


def standalone(figure: Markup) -> str:
    """A whole SVG document: one figure with its stylesheet, on a ground of the theme's colour.

    Raises: ValueError: the markup is not one SVG element.
    """
    opening = _OPENING.match(figure)
    if opening is None:
        raise ValueError("only an SVG figure can stand alone")
    ground = element("rect", width="100%", height="100%", fill="var(--bg)")
    style = element("style", Markup(stylesheet()))
    return figure[: opening.end()] + style + ground + figure[opening.end() :]
