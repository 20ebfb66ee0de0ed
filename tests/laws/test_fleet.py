"""Conservation of a fleet: leaves sum to capacity exactly, whatever nodes, attempts, clocks and lines do.

Two judges of one history: `brute`, which asks the rules anew for every unit of time and device, and the account.
"""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.ledger.fleet import (
    Alloc,
    Fleet,
    FleetAccount,
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
    carried,
    fleet_now,
    fleet_of,
    leaves_over_time,
    statement,
)
from drivetrain.ledger.fleet.events import LETTERS
from drivetrain.ledger.fleet.explain import Explanation, divided, explained
from drivetrain.ledger.fleet.node import Claim, Holding
from drivetrain.ledger.fleet.sweep import Attempt

SEEDS = st.integers(0, 1 << 32)
MANY = settings(max_examples=80)
END = 60
PATIENCE = 6
POOLS, TEAMS = ("a", "b"), ("red", "blue")
STATES = ("up", "up", "up", "draining", "cordoned", "broken", "down", "removed")
TOLD = "siplpdx.?"


def history(seed: int) -> list[FleetEvent]:
    """A random history: attempts overlap, are given what is not there, and are told of by clocks that are off."""
    draw = random.Random(seed)
    events: list[FleetEvent] = []
    nodes = [f"n{index}" for index in range(draw.randint(1, 4))]
    for name in nodes:
        pool, devices = draw.choice(POOLS), draw.randint(0, 3)
        for at in sorted(draw.sample(range(END), draw.randint(1, 5))):
            if draw.random() < 0.2:
                pool, devices = draw.choice(POOLS), draw.randint(0, 3)
            broken = tuple(draw.sample(range(4), draw.choice((0, 0, 1, 2))))
            state, others = draw.choice(STATES), draw.choice((0, 0, 1, 2))
            events.append(NodeEvent(at, name, pool, state, devices, cpu_milli=4000, broken=broken, others=others))
    for pool in POOLS:
        events += [PriceEvent(draw.randrange(END), pool, draw.randint(0, 9)) for _ in range(2)]
    for number in range(draw.randint(0, 8)):
        events += job(draw, f"j{number}", nodes)
    draw.shuffle(events)
    return events


def job(draw: random.Random, name: str, nodes: list[str]) -> list[FleetEvent]:
    who = {"user": draw.choice("uvw"), "team": draw.choice(TEAMS)}
    milli, at = draw.choice((200, 500, 700, 1000, 2000)), draw.randrange(END)
    pool = draw.choice(("", *POOLS))
    events: list[FleetEvent] = [Wait(at, name, milli, draw.randint(1, 2), pool=pool, cpu_milli=500, **who)]
    if draw.random() < 0.3:
        events.append(Leave(at + draw.randint(0, 20), name))
    for attempt in range(draw.randint(0, 3)):
        at += draw.randint(1, 10)
        for rank, node in enumerate(draw.sample(nodes, draw.randint(1, len(nodes)))):
            ranks = (rank,) if draw.random() < 0.5 else ()
            part = ((draw.randint(0, 3), min(milli, 1000)),)
            price = draw.choice((None, None, 7))
            events.append(Alloc(at, name, attempt, node, part, ranks=ranks, price=price, cpu_milli=500, **who))
        if draw.random() < 0.7:
            events.append(told(draw, name, attempt, at))
        at += draw.randint(1, 20)
        if draw.random() < 0.8:
            events.append(Free(at, name, attempt))
    return events


def told(draw: random.Random, name: str, attempt: int, at: int) -> Told:
    ranks = []
    for rank in range(draw.randint(0, 3)):
        spans = tuple(draw.randint(0, 6) for _ in range(draw.randint(0, 6)))
        letters = "".join(draw.choice(TOLD) for _ in range(draw.choice((len(spans), len(spans), 2))))
        ranks.append(RankTold(rank, draw.randint(0, 3), max(0, at + draw.randint(-6, 6)), spans, letters))
    ideal = draw.choice((None, draw.randint(0, 50)))
    is_running, ahead = draw.random() < 0.3, draw.choice((0, 0, -3, 4))
    return Told(at + 25, name, attempt, tuple(ranks), draw.randint(0, 60), ideal, is_running, ahead)


def fields(account: FleetAccount) -> dict[str, object]:
    """All that windows side by side, or rows, have together."""
    names = ("ideal", "measured", "provisional", "queued", "queued_money", "uncarried")
    return {
        **{f"time {leaf}": value for leaf, value in account.leaves.items()},
        **{f"money {leaf}": value for leaf, value in account.money.items()},
        **{name: getattr(account, name) for name in names if getattr(account, name)},
    }


def total(accounts: list[FleetAccount]) -> dict[str, object]:
    together: Counter[str] = Counter()
    for account in accounts:
        together.update(fields(account))  # type: ignore[arg-type]
    return {name: value for name, value in together.items() if value}


def whole(fleet: Fleet, start: int = 0, end: int = END) -> FleetAccount:
    found = statement(fleet, start, end)
    found.check()
    return found.whole


@MANY
@given(SEEDS)
def test_leaves_sum_to_capacity_and_each_is_what_the_rules_say_unit_by_unit(seed: int) -> None:
    events = history(seed)
    account = whole(fleet_of(events, END))
    free, held, capacity = brute(sorted(events, key=lambda event: event.t))
    assert account.capacity == capacity
    assert {leaf: account.leaves.get(leaf, 0) for leaf in ("draining", "broken")} == {
        leaf: free[leaf] for leaf in ("draining", "broken")
    }
    assert account.leaves.get("idle", 0) + account.leaves.get("fragmented", 0) == free["up"]
    assert account.allocated == sum(held.values())
    assert account.uncarried >= 0
    by_job = statement(fleet_of(events, END), 0, END, by=["job"])
    assert {names[0]: row.allocated for names, row in by_job.rows.items() if row.allocated} == {
        name: milli for name, milli in held.items() if milli
    }


def brute(events: list[FleetEvent]) -> tuple[Counter[str], Counter[str], int]:
    """Free milli by state, held milli by job, and capacity, asked anew at every unit of time."""
    free: Counter[str] = Counter()
    held: Counter[str] = Counter()
    capacity = 0
    for now in range(END):
        nodes: dict[str, NodeEvent] = {}
        claims: dict[tuple[str, int, str], Alloc] = {}
        for event in [event for event in events if event.t <= now]:
            if isinstance(event, NodeEvent):
                nodes[event.node] = event
            elif isinstance(event, Alloc):
                if any(job == event.job and attempt > event.attempt for job, attempt, _ in claims):
                    continue
                for key in [key for key in claims if key[0] == event.job and key[1] < event.attempt]:
                    del claims[key]
                claims.pop((event.job, event.attempt, event.node), None)
                claims[event.job, event.attempt, event.node] = event
            elif isinstance(event, Free):
                for key in [key for key in claims if key[:2] == (event.job, event.attempt)]:
                    del claims[key]
        for name, node in nodes.items():
            devices = 0 if node.state == "removed" else node.devices
            left = dict.fromkeys(range(devices), 1000)
            for (job, _, where), alloc in reversed(claims.items()):
                for device, milli in alloc.milli if where == name else ():
                    part = min(milli, left.get(device, 0))
                    held[job] += part
                    left[device] = left.get(device, 0) - part
            leaf = {"up": "up", "draining": "draining"}.get(node.state, "broken")
            theirs = [device for device in range(devices) if left[device] == 1000 and device not in node.broken]
            theirs = theirs[::-1][: node.others]
            capacity += 1000 * (devices - len(theirs))
            for device in {*range(devices)} - {*theirs}:
                free["broken" if device in node.broken else leaf] += left[device]
    return free, held, capacity


@MANY
@given(SEEDS)
def test_each_attempt_is_in_the_leaf_that_the_rules_say_of_the_pool_and_at_the_price_unit_by_unit(seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("drivetrain.ledger.fleet.explain.PATIENCE_NS", PATIENCE)
        explanations_agree(seed)


def explanations_agree(seed: int) -> None:
    fleet = fleet_of(history(seed), END)
    for attempt in fleet.attempts:
        expected: Counter[tuple[str, int, str]] = Counter()
        explanation = explained(attempt, END)
        for claim in attempt.claims:
            for holding in claim.holdings:
                for now in range(holding.start_ns, holding.end_ns):
                    unit(expected, claim, holding, now, explanation)
        found: Counter[tuple[str, int, str]] = Counter()
        for (pool, price), leaf, milli in explanation.parts(0, END):
            found[pool, price, leaf] += milli
        assert +found == +expected


def silence(attempt: Attempt, now: int) -> str:
    return "setup" if attempt.end_ns is None and now < attempt.start_ns + PATIENCE else "unknown"


def unit(
    expected: Counter[tuple[str, int, str]], claim: Claim, holding: Holding, now: int, explanation: Explanation
) -> None:
    """Add what one claim held for one unit of time."""
    attempt, told = explanation.attempt, explanation.attempt.told
    ranks = {rank.rank: rank for rank in told.ranks} if told and any(rank.leaves for rank in told.ranks) else {}
    named = {rank for other in attempt.claims for rank in other.alloc.ranks}
    nothing = RankTold(-1, 1)
    here = [ranks.get(number, nothing) for number in claim.alloc.ranks if ranks]
    here = here or ([rank for number, rank in ranks.items() if number not in named] if not claim.alloc.ranks else [])
    here = here or [nothing]
    for rank, milli in zip(here, divided(holding.milli, [rank.devices for rank in here]), strict=True):
        at = now - explanation.moved_ns
        leaf = leaf_of(rank, at, told, silence(attempt, now), is_down=holding.is_down)
        expected[holding.pool, holding.price, leaf] += milli


def leaf_of(rank: RankTold, now: int, told: Told | None, silent: str, *, is_down: bool) -> str:
    at, letters = rank.start_ns, ""
    for span, letter in zip(rank.spans_ns, rank.leaves, strict=False):
        letters += letter * span
    if told is None or not rank.spans_ns or not rank.leaves:
        return "down" if is_down else silent
    if at <= now < at + len(letters):
        letter = letters[now - at]
        known = {value: leaf for leaf, value in LETTERS.items()}
        return "down" if letter == "." and is_down else known.get(letter, "unknown")
    if is_down:
        return "down"
    if now < at:
        return "setup"
    last = rank.leaves[min(len(rank.leaves), len(rank.spans_ns)) - 1]
    return "unknown" if told.is_running else "down" if last == "x" else "teardown"


@MANY
@given(SEEDS)
def test_rows_by_pool_team_user_and_job_sum_to_the_whole(seed: int) -> None:
    fleet = fleet_of(history(seed), END)
    account = whole(fleet, 5, 50)
    for by in (["pool"], ["team"], ["user"], ["job"], ["pool", "team"], ["team", "job", "pool"]):
        found = statement(fleet, 5, 50, by=by)
        found.check()
        assert total(list(found.rows.values())) == fields(account), by
        assert found.whole == account
    pools = [statement(fleet, 5, 50, where={"pool": pool}).whole for pool in ("", *POOLS)]
    assert total(pools) == fields(account)
    assert sum(pool.capacity for pool in pools) == account.capacity
    teams = [statement(fleet, 5, 50, where={"team": team}).whole for team in ("", *TEAMS)]
    assert total(teams) == fields(account)


@MANY
@given(SEEDS, st.integers(0, END))
def test_who_has_devices_now_is_shown_with_what_the_job_had_in_the_window(seed: int, since: int) -> None:
    fleet = fleet_of(history(seed), END)
    rows = statement(fleet, since, END, by=["job"]).rows
    now = fleet_now(fleet, window_ns=END - since)
    assert [job.account for job in now.jobs] == [rows.get((job.job,), FleetAccount(since, END)) for job in now.jobs]


@MANY
@given(SEEDS, st.lists(st.integers(0, END), min_size=3, max_size=3))
def test_a_window_split_in_two_sums_to_the_whole(seed: int, cuts: list[int]) -> None:
    fleet = fleet_of(history(seed), END)
    start, middle, end = sorted(cuts)
    parts, one = [whole(fleet, start, middle), whole(fleet, middle, end)], whole(fleet, start, end)
    assert total(parts) == fields(one)
    assert sum(part.capacity for part in parts) == one.capacity


@MANY
@given(SEEDS)
def test_lines_doubled_and_out_of_order_say_the_same(seed: int) -> None:
    draw = random.Random(seed)
    events = apart(history(seed))
    mixed = [*events, *draw.choices(events, k=len(events) // 2)]
    draw.shuffle(mixed)
    one, other = fleet_of(events, 10_000), fleet_of(mixed, 10_000)
    for start, end in ((0, 10_000), (1234, 5678)):
        assert statement(one, start, end, by=["pool", "job"]) == statement(other, start, end, by=["pool", "job"])


def apart(events: list[FleetEvent]) -> list[FleetEvent]:
    """The same, but no two at one instant."""
    return [type(event)(**{**as_dict(event), "t": 100 * event.t + index % 100}) for index, event in enumerate(events)]


def as_dict(event: FleetEvent) -> dict[str, object]:
    return {name: getattr(event, name) for name in event.__struct_fields__}


@settings(max_examples=60)
@given(seed=SEEDS)
def test_a_file_torn_anywhere_is_read_and_what_is_left_conserves(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    draw = random.Random(seed)
    path = tmp_path_factory.mktemp("fleet") / "h.jsonl"
    events = history(seed)
    append_history(path, events)
    assert FleetFiles(path, END).read().events == tuple(events)
    data = bytearray(path.read_bytes())
    head = data.index(b"\n") + 1  # torn within, it may be that of another version, which is refused
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(head, len(data) + 1)
        del data[at : at + draw.randint(1, 200)]
    path.write_bytes(data)
    append_history(path, [Free(END, "j0", 0)])
    found = FleetFiles(path, END).read()
    assert found.events[-1] == Free(END, "j0", 0), "a torn line does not take the next one with it"
    whole(fleet_of(found.events, END))


@MANY
@given(SEEDS)
def test_an_attempt_never_has_more_in_its_leaves_than_it_held(seed: int) -> None:
    fleet = fleet_of(history(seed), END)
    for attempt in fleet.attempts:
        assert attempt.end_ns is None or attempt.end_ns >= attempt.start_ns
        for claim in attempt.claims:
            ends = [holding.end_ns for holding in claim.holdings]
            assert all(a <= b.start_ns for a, b in zip(ends, claim.holdings[1:], strict=False))
            given_ns = sum((h.end_ns - h.start_ns) * h.milli for h in (*claim.holdings, *claim.shortages))
            assert given_ns <= claim.milli * END


@MANY
@given(SEEDS, st.integers(1, END * 100))
def test_what_is_carried_into_a_new_file_makes_the_old_one_needless(seed: int, now: int) -> None:
    end = 100 * END
    events = apart(history(seed))
    later = [event for event in events if event.t > now]
    old = fleet_of(events, end)
    for new in (
        fleet_of([*carried(fleet_of(events, now)), *later], end),
        fleet_of([*carried(fleet_of(events, now)), *events], end),
    ):
        for by in (["pool"], ["job"]):
            one, other = (statement(fleet, now, end, by=by) for fleet in (old, new))
            other.check()
            assert {key: settled(row) for key, row in one.rows.items()} == {
                key: settled(row) for key, row in other.rows.items()
            }


def settled(account: FleetAccount) -> dict[str, object]:
    """All but what tells idle from fragmented, which depends on who asked before."""
    found = fields(account)
    for kind in ("time", "money"):
        found[f"{kind} free"] = sum(int(str(found.pop(f"{kind} {leaf}", 0))) for leaf in ("idle", "fragmented"))
    return found


@MANY
@given(SEEDS, st.sets(st.integers(0, END), min_size=2, max_size=8))
def test_over_time_each_window_has_its_own_account(seed: int, edges: set[int]) -> None:
    fleet, order = fleet_of(history(seed), END), sorted(edges)
    for pool in (None, *POOLS):
        where = {} if pool is None else {"pool": pool}
        windows = [statement(fleet, start, end, where=where).whole for start, end in pairwise(order)]
        assert leaves_over_time(fleet, order, pool=pool) == [window.leaves for window in windows]
