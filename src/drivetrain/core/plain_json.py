"""JSON by the parts of `json` that are in C; its other parts bring `re`, most of what a short command would import."""

from __future__ import annotations

import _json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn


class _AsJson:
    """How the scanner reads, as `json.JSONDecoder` has it by default."""

    strict = True
    object_pairs_hook = None
    parse_float, parse_int = float, int
    parse_constant = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}.__getitem__

    def __init__(self, object_hook: Callable[[dict[str, Any]], Any] | None = None) -> None:
        self.object_hook = object_hook


_SPACE = " \t\n\r"
_scan = _json.make_scanner(_AsJson())  # type: ignore[arg-type]  # it wants something with these names


def encoded(value: object) -> bytes:
    """A value as JSON in UTF-8, as `json.dumps` without escapes writes it; one that refers to itself is not looked for.

    Raises: TypeError: it holds something that JSON has not. UnicodeEncodeError: a text in it is no UTF-8.
    """
    return _text(value, _json.encode_basestring).encode()


def escaped(value: object) -> bytes:
    """Likewise in ASCII, which has a way to write every text. Raises: TypeError."""
    return _text(value, _json.encode_basestring_ascii).encode("ascii")


def decoded(data: bytes, objects_as: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """The value of JSON in UTF-8. Raises: ValueError: it is none.

    Args:
      objects_as: makes of each object in it what stands in its place; a dict by default.
    """
    text = data.decode().strip(_SPACE)
    scan = _scan if objects_as is None else _json.make_scanner(_AsJson(objects_as))  # type: ignore[arg-type]  # as above
    try:
        value, end = scan(text, 0)
    except StopIteration as exc:
        raise ValueError(f"no JSON at character {exc.value}") from None
    if end != len(text):
        raise ValueError(f"more than JSON after character {end}")
    return value


def _text(value: object, quoted: Callable[[str], str]) -> str:
    return "".join(_json.make_encoder(None, _refuse, quoted, None, ": ", ", ", False, False, True)(value, 0))


def _refuse(value: object) -> NoReturn:
    raise TypeError(f"JSON has no {type(value).__name__}")
