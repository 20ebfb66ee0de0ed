"""What the process that plays is asked, and what it says: each a line of JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked.

    Attributes:
      database: URL.
      now_s: when it is.
      budget_s: how long it may be played, about.
      job: whose wait; empty where `add` says what the fleet would have more, such as `H100:16`, played over `over_s`.
    """

    database: str
    now_s: float
    budget_s: float
    job: str = ""
    add: tuple[str, ...] = ()
    over_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Said:
    """What comes back. Attributes: found: the answer, unless `error` says why there is none."""

    found: dict[str, Any] | None = None
    error: str = ""
    hint: str = ""
    is_usage: bool = False
