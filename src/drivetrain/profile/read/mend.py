"""JSON as writers should not have written it -> JSON with the same structure."""

from __future__ import annotations

import re
from collections import Counter

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_ESCAPE = re.compile(
    rb'(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4}|\\["\\/bfnrt])'
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\"
)
_TOKEN = re.compile(_STRING + rb"|-?\b(?:NaN|Infinity|nan|inf)\b", re.DOTALL)
_CONTROL = re.compile(rb"[\x00-\x1f]")
_NO_CHARACTER = "�"


def characters_mended(text: bytes, skipped: Counter[str]) -> bytes:
    """The same text with escapes that do not exist, and bytes that are no UTF-8, made valid.

    Where strings begin and end stays as it is. Each place is counted in `skipped`; mending twice counts once.
    """
    return _characters(_escapes(text, skipped), skipped)


def _escapes(text: bytes, skipped: Counter[str]) -> bytes:
    def replaced(match: re.Match[bytes]) -> bytes:
        if match[1]:
            return match[1]
        skipped["an escape that does not exist"] += 1
        return rb"\ufffd" if match[2] else rb"\\"

    return _ESCAPE.sub(replaced, text) if b"\\" in text else text


def _characters(text: bytes, skipped: Counter[str]) -> bytes:
    try:
        text.decode()
    except UnicodeDecodeError:
        valid = text.decode(errors="replace")
        skipped["bytes that are not UTF-8"] += valid.count(_NO_CHARACTER) - text.count(_NO_CHARACTER.encode())
        return valid.encode()
    return text


def tokens_mended(text: bytes, skipped: Counter[str]) -> bytes:
    """The same text with NaN, infinities, and control characters in strings made valid; counted as above."""

    def replaced(match: re.Match[bytes]) -> bytes:
        token = match[0]
        if not token.startswith(b'"'):
            skipped["a number that is none"] += 1
            return b"null"
        if _CONTROL.search(token):
            skipped["a control character in a text"] += 1
            return _CONTROL.sub(b" ", token)
        return token

    return _TOKEN.sub(replaced, text)
