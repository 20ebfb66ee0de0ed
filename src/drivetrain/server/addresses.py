"""Names that people write, as parts of addresses that a server is asked at; what can be none is refused here."""

from __future__ import annotations

from drivetrain.core.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def in_path(what: str, name: str) -> str:
    """A name as one part of a path. Raises: UsageError: no `what` can be called so."""
    from urllib.parse import quote

    if not name or name in (".", "..") or "/" in name or not name.isprintable():
        hint = "drivetrain jobs lists them" if what == "job" else ""
        raise UsageError(f"there is no {what} {name[:80]!r}", hint=hint)
    return quote(name, safe="")


def query_text(values: Mapping[str, object]) -> str:
    """What follows the question mark. Raises: UsageError: a value is no text that can be sent."""
    from urllib.parse import urlencode

    try:
        return urlencode(values, doseq=True)
    except UnicodeEncodeError as exc:
        raise UsageError("what is to be sent has a text that is no UTF-8") from exc
