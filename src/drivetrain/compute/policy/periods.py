"""Days, weeks and months by UTC, for which teams have budgets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

Per = Literal["day", "week", "month"]
LONGEST_S = 31 * 86400.0


def began_s(per: Per, now_s: float) -> float:
    """When the present day, week (on Monday) or month began, by UTC; seconds since the epoch."""
    day = datetime.fromtimestamp(now_s, tz=UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if per == "week":
        day -= timedelta(days=day.weekday())
    return (day.replace(day=1) if per == "month" else day).timestamp()


def ends_s(per: Per, now_s: float) -> float:
    """When the next one begins."""
    longest_s = {"day": 86400.0, "week": 7 * 86400.0, "month": LONGEST_S}[per]
    return began_s(per, began_s(per, now_s) + longest_s)
