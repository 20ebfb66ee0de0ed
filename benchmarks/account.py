"""What it costs to account for a run, once its journals are read: pure Python, so the steadiest figure that we have."""

from __future__ import annotations

from collections.abc import Callable

from drivetrain.ledger import Event, account_of

JUDGED = {"cpu_s", "peak_bytes"}  # it waits for nothing, so wall time tells of what else the machine does
NUM_SAMPLES = 20
MS = 1_000_000
LEASE_NS = 30_000 * MS


def bench_account(num_steps: int = 200) -> Callable[[], object]:
    """The account of two ranks, a step every 10 ms, with what each waits for data."""
    events = [Event("alloc", "a", 0, 0, rank=rank) for rank in range(2)]
    events += [Event("start", "a", MS, MS, rank=rank) for rank in range(2)]
    for step in range(num_steps):
        at_ns = (10 + 10 * step) * MS
        for rank in range(2):
            for kind, after_ms, fields in (
                ("step_begin", 0, {"step": step}),
                ("step_end", 7, {"step": step}),
                ("begin", 7, {"phase": "data_wait"}),
                ("end", 9, {"phase": "data_wait"}),
            ):
                when_ns = at_ns + after_ms * MS + rank
                events.append(Event(kind, "a", when_ns, when_ns, rank=rank, **fields))
    return lambda: account_of(events, LEASE_NS, (20 + 10 * num_steps) * MS)
