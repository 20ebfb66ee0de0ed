"""How a leaf of the account, or a part of a step, is painted: a class for its colour, and a tile for the hatched."""

from __future__ import annotations

from collections.abc import Iterable

from drivetrain.core.leaves import Leaf
from drivetrain.figures.svg import Markup, element, join
from drivetrain.figures.tokens import FREE, HATCHES, LEAVES, PARTS

_PLACE = {name: place for place, name in enumerate((*(leaf.value for leaf in Leaf), *FREE, *PARTS))}


def stacking_order(leaves: Iterable[str]) -> list[str]:
    """Leaves, or parts, in the order in which charts stack them; names we do not know last."""
    return sorted(leaves, key=lambda leaf: (_PLACE.get(leaf, len(_PLACE)), leaf))


def tiles(leaves: Iterable[str], key: str) -> Markup:
    """`<defs>` with the hatched tiles that these leaves need; ids start with `key`."""
    return element("defs", *(_tile(leaf, key) for leaf in stacking_order(leaves) if _hatched(leaf)))


def paint(leaf: str, key: str) -> dict[str, str]:
    """The attributes that paint a shape as this leaf or part; hatched ones refer to `tiles` of the same key."""
    if leaf in PARTS:
        return {"class_": f"cell part-{leaf}"}
    if _hatched(leaf):
        return {"class_": "cell", "fill": f"url(#{key}-{_known(leaf)})"}
    return {"class_": f"cell leaf-{leaf}"}


def swatch(leaf: str, key: str) -> Markup:
    """A small square in the leaf's paint, for tables; the key must be unique in the page."""
    square = element("rect", x=0.5, y=0.5, width=11, height=11, **paint(leaf, key))
    frame = element("rect", x=0.5, y=0.5, width=11, height=11, class_="outline") if _known(leaf) == Leaf.UNKNOWN else ""
    content = join(tiles([leaf], key), square, frame)
    return element("svg", content, class_="figure swatch", viewBox="0 0 12 12", width=12, height=12, aria_hidden="true")


def _known(leaf: str) -> str:
    return leaf if leaf in LEAVES or leaf in PARTS or leaf in FREE else Leaf.UNKNOWN.value


def _hatched(leaf: str) -> bool:
    return _known(leaf) in HATCHES


def _tile(leaf: str, key: str) -> Markup:
    name = _known(leaf)
    strokes = element("path", class_="hatch-unknown" if name == Leaf.UNKNOWN else "hatch", d=HATCHES[name])
    ground = element("rect", class_=f"leaf-{name}", width=6, height=6)
    return element("pattern", ground, strokes, id=f"{key}-{name}", width=6, height=6, patternUnits="userSpaceOnUse")
