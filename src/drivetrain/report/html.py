"""The shell of a page that is one file: its style and script inside, and a policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence

from drivetrain.figures import Markup, element, join, stylesheet
from drivetrain.report.assets import SCRIPT, STYLE


def page(title: str, *sections: str) -> str:
    """A whole HTML document that opens without a network and runs under its own strict content-security policy."""
    style, script = Markup(stylesheet() + STYLE), Markup(SCRIPT)
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", style),
    )
    body = element("body", element("main", *sections), element("script", script))
    return "<!doctype html>\n" + element("html", head, "\n", body, lang="en") + "\n"


def section(title: str, *content: str, note: str = "") -> Markup:
    """A titled part of the page; the note stands beside the title and says what the numbers are of."""
    heading = element("h2", title, " ", element("span", note, class_="note") if note else "")
    return join(element("section", heading, *content), "\n")


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str, total: bool = False, dense: bool = False
) -> Markup:
    """A table; a column whose name starts with `#` holds numbers and is right-aligned.

    Args:
      columns: names; the `#` is not shown.
      rows: one cell a column.
      caption: for screen readers.
      total: whether the last row sums the others.
      dense: many narrow columns.
    """
    numeric = [column.startswith("#") for column in columns]
    head = element("tr", *(_cell("th", name.removeprefix("#"), n) for name, n in zip(columns, numeric, strict=True)))
    written = [[_cell("td", cell, n) for cell, n in zip(row, numeric, strict=True)] for row in rows]
    body = [element("tr", *cells, class_="total" if total and cells is written[-1] else None) for cells in written]
    hidden = element("caption", caption)
    content = join(hidden, element("thead", head), element("tbody", *body))
    return element("div", element("table", content, class_="dense" if dense else None), class_="scroll")


def facts(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Names and values, one pair a line."""
    return element("dl", *(join(element("dt", name), element("dd", value)) for name, value in pairs), class_="facts")


def _cell(tag: str, content: str, is_number: bool) -> Markup:
    scope = "col" if tag == "th" else None
    return element(tag, content, class_="num" if is_number else None, scope=scope)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
