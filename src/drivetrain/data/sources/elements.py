"""XML piece by piece, of files that we do not trust: nothing is expanded or fetched, and only one piece is held.

A document type (which entities come from) is refused, and so is nesting without end.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from drivetrain.core.errors import DataError

_MOST_DEEP = 64
_CHUNK_BYTES = 1 << 16


class _Refused(Exception):  # noqa: N818 - it never leaves this file
    """Something in the document that we do not take."""


class _Pieces:
    """Builds the children of the root, one at a time."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self.done: list[Element] = []
        self._depth = 0
        self._builder = TreeBuilder()

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self._depth += 1
        if self._depth > _MOST_DEEP:
            raise _Refused(f"elements are nested more than {_MOST_DEEP} deep")
        if self._depth == 1:
            self.root = Element(tag, attributes)
        else:
            self._builder.start(tag, attributes)

    def end(self, tag: str) -> None:
        """An element ends."""
        self._depth -= 1
        if self._depth:
            self._builder.end(tag)
        if self._depth == 1:
            self.done.append(self._builder.close())
            self._builder = TreeBuilder()

    def data(self, text: str) -> None:
        """Text within an element; what is between the pieces says nothing."""
        if self._depth > 1:
            self._builder.data(text)


def pieces(file: Path, *, root: str) -> Iterator[Element]:
    """The root without its children, then each of its children, whole, as the file is read.

    Args:
      file: an XML document.
      root: the name that its root must have.
    Raises: DataError: it cannot be read, is cut short, is no XML, is another document, or has a document type.
    """
    found, parser = _Pieces(), expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = found.start, found.end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = found.data, _refuse_doctype
    is_root_told = False
    try:
        with file.open("rb") as opened:
            while True:
                chunk = opened.read(_CHUNK_BYTES)
                parser.Parse(chunk, not chunk)
                if found.root is not None and not is_root_told:
                    if found.root.tag != root:
                        raise _Refused(f"its root is <{found.root.tag}>, expected <{root}>")
                    is_root_told = True
                    yield found.root
                yield from found.done
                found.done.clear()
                if not chunk:
                    return
    except OSError as exc:
        raise DataError(f"cannot read {file}: {exc.strerror}") from exc
    except (expat.ExpatError, _Refused, ValueError, LookupError) as exc:  # the last two are of encodings
        raise DataError(f"{file} cannot be used: {exc}", hint="if it was cut short, fetch it again") from exc


def _refuse_doctype(*_: object) -> None:
    raise _Refused("it has a document type, and entities are not expanded")
