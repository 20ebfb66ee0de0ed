"""What holds of each page of ours: it stands by itself, is well formed, and its references lead somewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

SVG_NAMESPACE = "http://www.w3.org/2000/svg"


class Outline(HTMLParser):
    """Ids, attributes and unclosed tags of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.attributes |= {name for name, _ in attrs}
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"meta", "img"}:
            assert self.open.pop() == tag


def check_page(page: str, *, most_bytes: int = 2_000_000) -> None:
    """It needs no network, has no style or script that its policy does not name, and no doubled id."""
    assert "://" not in page.replace(SVG_NAMESPACE, "")
    assert not re.search(r"@import|url\((?!#)|<link|<iframe|srcset", page)
    outline = Outline(page)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert not {name for name in outline.attributes if name == "style" or name.startswith("on")}
    references = re.findall(r"url\(#([\w-]+)\)", page)
    labels = [word for words in re.findall(r'aria-labelledby="([^"]+)"', page) for word in words.split()]
    assert {*references, *labels} <= set(outline.ids)
    assert len(page.encode()) < most_bytes
