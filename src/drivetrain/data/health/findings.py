"""What a check says: a verdict on one stream, in a sentence, with the numbers it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["ok", "unknown", "warn", "fail"]
"""`unknown`: looked at, and there is too little in the log to tell. It is shown, and neither passes nor fails a log."""

_ORDER: tuple[Verdict, ...] = ("unknown", "ok", "warn", "fail")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `ok`, or what is wrong with it, in a sentence.

    Attributes:
      check: the name of the check.
      stream: what it is about; two streams where it is about how they lie to each other.
      verdict: what comes of it.
      text: for people.
      evidence: the numbers behind it, by name; units end names.
    """

    check: str
    stream: str
    verdict: Verdict
    text: str
    evidence: Mapping[str, float | int | str | None] = field(default_factory=dict)


def graded(value: float, warn_above: float, fail_above: float) -> Verdict:
    """`fail` and `warn` above their limits; a value that is not a number fails."""
    return "ok" if value <= warn_above else "warn" if value <= fail_above else "fail"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of some verdicts; `ok` of none."""
    return max(verdicts, key=_ORDER.index, default="ok")


def named(labels: Iterable[str], *, most: int = 5) -> str:
    """The first few of some labels in brackets, or nothing."""
    listed = list(labels)
    return f" ({', '.join(listed[:most])}{', ...' if len(listed) > most else ''})" if listed else ""
