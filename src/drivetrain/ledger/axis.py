"""One time axis for all hosts: the supervisor's wall clock, kept steady by each host's monotonic clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from drivetrain.ledger.events import Event


def place(events: Sequence[Event]) -> list[int]:
    """The time of each event on the common axis, in ns.

    A host is placed by its first record: its wall clock then, less what the supervisor measured it to be ahead. Every
    later time of the host is that plus monotonic time since, so its wall clock may jump as it likes.

    Args:
      events: in order of true time, as far as known.
    """
    offset_ns = _offsets(events)
    return [event.mono_ns + offset_ns[event.host] for event in events]


def _offsets(events: Iterable[Event]) -> dict[str, int]:
    """What to add to each host's monotonic clock. A host nobody measured is taken to be right."""
    raw_ns: dict[str, int] = {}
    ahead_ns: dict[str, int] = {}
    for event in events:
        if event.host not in raw_ns:
            raw_ns[event.host] = event.wall_ns - event.mono_ns
        # The measurement that fits the host's first record is the last one before it, or else the first one after.
        if event.kind == "clock" and (event.of not in ahead_ns or event.of not in raw_ns):
            ahead_ns[event.of] = event.ahead_ns
    return {host: raw - ahead_ns.get(host, 0) for host, raw in raw_ns.items()}
