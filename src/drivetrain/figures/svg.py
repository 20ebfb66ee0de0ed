"""A tiny builder of SVG and HTML text in which plain strings are always escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

Attribute = str | int | float | None

_EMPTY = frozenset({"rect", "path", "line", "use", "circle", "polyline", "img", "meta", "br"})
_UNSAFE_CHARS = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # not allowed in XML 1.0


class Markup(str):
    """Text that is markup already; any other string is escaped on its way into an element."""

    __slots__ = ()


def element(name: str, *children: str, **attributes: Attribute) -> Markup:
    """One element with its children.

    Args:
      name: the tag.
      children: `Markup` goes in as it is, other text is escaped.
      attributes: `class_` means class and `stroke_width` means stroke-width; None leaves the attribute out, an empty
        string writes it without a value.
    Raises: ValueError: an inline style or event handler, which a strict content-security policy would refuse.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    if name in _EMPTY:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def join(*parts: str) -> Markup:
    """Parts one after the other; plain text among them is escaped."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def escape(text: str) -> Markup:
    """Plain text as markup; characters that no document may hold become U+FFFD."""
    return Markup(html.escape(_UNSAFE_CHARS.sub("\ufffd", text)))


def figure(width: float, height: float, *children: str, key: str, title: str, desc: str) -> Markup:
    """The outermost `<svg>` of a figure.

    Args:
      width: in user units, which are CSS pixels when the figure is shown at its natural size.
      height: likewise.
      children: its content.
      key: starts every id inside, so it must be unique in a page; letters, digits and hyphens.
      title: what a screen reader says first.
      desc: what the figure shows, in a sentence with its main numbers.
    """
    if not re.fullmatch(r"[A-Za-z][\w-]*", key):
        raise ValueError(f"{key!r} cannot start ids: letters, digits and hyphens, a letter first")
    return element(
        "svg",
        element("title", title, id=f"{key}-title"),
        element("desc", desc, id=f"{key}-desc"),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        class_="figure",
        id=key,
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=width,
        height=height,
        role="img",
        aria_labelledby=f"{key}-title {key}-desc",
    )


def number(value: float) -> str:
    """A coordinate in as few characters as 0.01 allows."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def text_width(text: str, size_px: float = 11) -> float:
    """About how wide text runs in a system font, px; errs on the wide side."""
    return len(text) * size_px * 0.55


def path_of(points: Sequence[tuple[float, float]]) -> str:
    """The `d` of a path through points."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points) if points else ""


def _attribute(key: str, value: str | int | float) -> str:
    name = key.rstrip("_").replace("_", "-")
    if name == "style" or name.startswith("on"):
        raise ValueError(f"no {name} attribute in a figure: use a class")
    if value == "":
        return f" {name}"
    return f' {name}="{escape(value if isinstance(value, str) else number(value))}"'
