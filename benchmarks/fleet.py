"""A week of 1,000 nodes of 8 devices and 100,000 attempts: from the lines of its history to the account by team.

The week is made: three pools, nodes that fail and are drained, requests from half a device to four nodes, first fit
from a random node, run times lognormal with a median of an hour and a half; each rank tells 4 to 20 stretches. One
process, its own CPU time, since the machine has other work.
"""

from __future__ import annotations

import heapq
import random
import resource
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from drivetrain.ledger.fleet import (
    Alloc,
    FleetEvent,
    FleetFiles,
    Free,
    Leave,
    NodeEvent,
    PriceEvent,
    RankTold,
    Told,
    Wait,
    append_history,
    fleet_of,
    statement,
)

NUM_SAMPLES = 2
LIMIT_S = 900
NUM_CORES = 0
HOUR_NS = 3_600_000_000_000
WEEK_NS = 7 * 24 * HOUR_NS
POOLS = {"h100": 3_000_000, "a100": 1_500_000, "l40": 800_000}
SIZES = (500, 1000, 1000, 1000, 1000, 2000, 4000, 8000, 8000, 16_000, 32_000)


def bench_week(num_nodes: int = 1000, num_attempts: int = 100_000) -> dict[str, float]:
    """CPU time of each stage, how large the file is, and how much memory the process came to hold."""
    path = Path("week.jsonl").absolute()
    if not path.exists():
        append_history(path, week(num_nodes, num_attempts))
    times_s = [time.process_time()]
    history = FleetFiles(path, WEEK_NS).read()
    times_s.append(time.process_time())
    fleet = fleet_of(history.events, history.read_at_ns)
    times_s.append(time.process_time())
    found = statement(fleet, 0, WEEK_NS, by=("team",))
    times_s.append(time.process_time())
    statement(fleet, WEEK_NS - HOUR_NS, WEEK_NS, by=("pool",))
    times_s.append(time.process_time())
    found.check()
    read_s, order_s, week_s, hour_s = (after - before for before, after in pairwise(times_s))
    return {
        "read_s": read_s,
        "order_s": order_s,
        "week_s": week_s,
        "hour_s": hour_s,
        "all_s": times_s[-1] - times_s[0],
        "file_bytes": path.stat().st_size,
        "resident_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "num_attempts": len(fleet.attempts),
    }


def week(num_nodes: int, num_attempts: int) -> Iterator[FleetEvent]:
    """What is told of the week, in order of time but for what is told of failures."""
    draw = random.Random(0)
    pools = [list(POOLS)[index % 3] for index in range(num_nodes)]
    yield from (PriceEvent(0, pool, price) for pool, price in POOLS.items())
    yield from (NodeEvent(0, f"n{index}", pool, "up", 8, cpu_milli=96_000) for index, pool in enumerate(pools))
    for _ in range(num_nodes // 2):
        at, index = draw.randrange(WEEK_NS), draw.randrange(num_nodes)
        for since, state in ((at, draw.choice(("draining", "down", "cordoned"))), (at + draw.randrange(HOUR_NS), "up")):
            yield NodeEvent(since, f"n{index}", pools[index], state, 8, cpu_milli=96_000)
    free = [[1000] * 8 for _ in range(num_nodes)]
    ends: list[tuple[int, int, list[tuple[int, int, int]]]] = []
    at = 0
    for number in range(num_attempts):
        at += draw.randrange(2 * WEEK_NS // num_attempts)
        while ends and ends[0][0] <= at:
            for index, device, milli in heapq.heappop(ends)[2]:
                free[index][device] += milli
        length = int(min(draw.lognormvariate(8.6, 1.2), 172_800) * 1e9)
        parts = yield from _job(draw, f"j{number}", at, length, free)
        if parts:
            heapq.heappush(ends, (at + length, number, parts))


def _job(draw: random.Random, job: str, at: int, length: int, free: list[list[int]]) -> Iterator[FleetEvent]:
    size, who = draw.choice(SIZES), {"user": f"u{draw.randrange(200)}", "team": f"t{draw.randrange(12)}"}
    num_pieces, milli = max(1, size // 8000), min(size, 8000)
    cpu_milli = draw.choice((4000, 6000, 8000)) * max(1, milli // 1000)
    waited = int(draw.expovariate(1 / 600) * 1e9) if draw.random() < 0.5 else 10**9
    yield Wait(max(0, at - waited), job, milli, num_pieces, cpu_milli=cpu_milli, **who)
    pieces = _places(free, draw.randrange(len(free)), num_pieces, milli)
    if not pieces:
        yield Leave(at, job)
        return []
    ranks: list[RankTold] = []
    for index, devices in pieces:
        part = tuple((device, min(milli, 1000)) for device in devices)
        own = tuple(range(len(ranks), len(ranks) + len(part)))
        yield Alloc(at, job, 0, f"n{index}", part, ranks=own, cpu_milli=cpu_milli, **who)
        ranks += [_told(draw, rank, at, length) for rank in own]
        for device, taken in part:
            free[index][device] -= taken
    yield Free(at + length, job, 0)
    yield Told(at + length, job, 0, tuple(ranks), length * len(ranks) // 2, length * len(ranks) // 3)
    return [(index, device, min(milli, 1000)) for index, devices in pieces for device in devices]


def _places(free: list[list[int]], first: int, num_pieces: int, milli: int) -> list[tuple[int, list[int]]]:
    """Nodes and devices of them for all pieces, or none."""
    found: list[tuple[int, list[int]]] = []
    for offset in range(len(free)):
        index = (first + offset) % len(free)
        fit = [device for device in range(8) if free[index][device] >= min(milli, 1000)]
        if len(fit) >= max(1, milli // 1000):
            found.append((index, fit[: max(1, milli // 1000)]))
            if len(found) == num_pieces:
                return found
        elif offset > 60 and not found:
            break
    return []


def _told(draw: random.Random, rank: int, at: int, length: int) -> RankTold:
    num = draw.randrange(4, 20)
    spans = [length // (10 * num), *[length // num] * (num - 1)]
    return RankTold(rank, 1, at, tuple(spans), "s" + "".join(draw.choices("pppdw", k=num - 1)))
