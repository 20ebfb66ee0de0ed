"""What `drivetrain cost` and `drivetrain top` print, as text and as JSON."""

from __future__ import annotations

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivetrain.core.units import NS_PER_S
from drivetrain.ledger.fleet import (
    Alloc,
    FleetEvent,
    Free,
    NodeEvent,
    PriceEvent,
    RankTold,
    Told,
    Wait,
    cost_text,
    fleet_now,
    fleet_of,
    now_json,
    now_text,
    statement,
    statement_json,
)

H = 3600 * NS_PER_S
T0 = 1_763_596_800 * NS_PER_S
EVENTS: list[FleetEvent] = [
    PriceEvent(T0, "h100", 3_000_000),
    NodeEvent(T0, "n1", "h100", "up", 8),
    NodeEvent(T0, "n2", "h100", "up", 8),
    Wait(T0, "seg", 8000, 1, "ann", "vision"),
    Alloc(T0 + H, "seg", 0, "n1", tuple((device, 1000) for device in range(8)), "ann", "vision", (0,)),
    Alloc(T0, "plan", 0, "n2", ((0, 500),), "bob", "planning", (0,)),
    Free(T0 + 2 * H, "plan", 0),
    NodeEvent(T0 + 3 * H, "n2", "h100", "draining", 8),
    Wait(T0 + 2 * H, "big", 8000, 2, "bob", "planning"),
    Told(
        T0 + 4 * H,
        "seg",
        0,
        (RankTold(0, 8, T0 + H, (H // 2, 5 * H // 2), "dp"),),
        20 * H,
        10 * H,
        True,
    ),
    Told(T0 + 2 * H, "plan", 0, (RankTold(0, 1, T0, (2 * H,), "l"),)),
]
FLEET = fleet_of(EVENTS, T0 + 4 * H)


def test_the_cost_of_teams_is_a_table_whose_rows_sum_and_says_what_was_lost() -> None:
    assert cost_text(statement(FLEET, T0, T0 + 4 * H, by=["team"])) == COST


def test_hours_of_a_short_window_give_the_shares_that_stand_beside_them() -> None:
    minute = 60 * NS_PER_S
    events: list[FleetEvent] = [
        NodeEvent(T0, "n1", "cpu", "up", 1),
        Alloc(T0 + 2 * minute, "job", 0, "n1", ((0, 1000),), "ann", "vision", (0,)),
    ]
    text = cost_text(statement(fleet_of(events, T0 + 11 * minute), T0, T0 + 11 * minute, by=["job"]))
    assert "SG 81.8 % = allocated / capacity (0.15 / 0.18 device h)" in text


COST = """\
2025-11-20 00:00:00 UTC to 2025-11-20 04:00:00 UTC

team      device h    cost  of capacity      RG      PG  waited h  attempts  lost most to
(nobody)      39.0  117.00       60.9 %       –       –       0.0         0  fragmented 59.0 %
vision        24.0   72.00       37.5 %  83.3 %  50.0 %       8.0         1  data_wait 16.7 %
planning       1.0    3.00        1.6 %   0.0 %       –      32.0         1  lost 100.0 %
all           64.0  192.00      100.0 %  80.0 %  50.0 %      40.0         2  fragmented 35.9 %

leaf              device h   of capacity            cost
productive            20.0       31.25 %           60.00  █████████
data_wait              4.0        6.25 %           12.00  ██
lost                   1.0        1.56 %            3.00
draining               8.0       12.50 %           24.00  ████
fragmented            23.0       35.94 %           69.00  ███████████
idle                   8.0       12.50 %           24.00  ████
capacity              64.0      100.00 %          192.00

SG 39.1 % = allocated / capacity (25.0 / 64.0 device h)
RG 80.0 % = productive / allocated (20.0 / 25.0)
PG 50.0 % = ideal / productive (10.0 / 20.0)
MPG 15.6 % = SG x RG x PG = ideal / capacity
jobs waited for 40.0 device h, 120.00 at the cheapest pool's price; not counted above
24.0 device h are of attempts that still run: their leaves may change"""


def test_top_shows_pools_nodes_who_has_what_and_who_waits() -> None:
    assert now_text(fleet_now(FLEET)) == TOP


TOP = """\
2025-11-20 04:00:00 UTC
SG 50.0 % = allocated / capacity (8.0 / 16.0 device h)
RG 100.0 % = productive / allocated (8.0 / 8.0)
PG 50.0 % = ideal / productive (4.0 / 8.0)
MPG 25.0 % = SG x RG x PG = ideal / capacity
jobs waited for 16.0 device h, 48.00 at the cheapest pool's price; not counted above
8.0 device h are of attempts that still run: their leaves may change

pool  nodes             devices  held  idle  fragmented  draining  broken  waiting      SG  RG
h100  1 draining, 1 up       16     8     –           –         8       –   16 (1)  50.0 %  100.0 %

node  pool  state       held  jobs
n2    h100  draining  0 of 8  –
n1    h100  up        8 of 8  seg

job  team    user  pool  devices  nodes       for       RG  lost most to
seg  vision  ann   h100        8      1  3 h 00 m  100.0 %  –

waits  team      user  pool  devices  for
big    planning  bob   any        16  2 h 00 m"""


def test_json_has_the_same_and_it_sums() -> None:
    found = statement_json(statement(FLEET, T0, T0 + 4 * H, by=["team"]))
    assert msgspec.json.decode(msgspec.json.encode(found)) == found
    rows = {row["team"]: row for row in found["rows"]}  # type: ignore[attr-defined]
    assert rows["vision"]["leaves_device_ms"] == {"productive": 20 * 3_600_000, "data_wait": 4 * 3_600_000}
    assert rows["vision"]["cost_micros"] == 72_000_000
    assert rows["planning"]["queued_device_ms"] == 32 * 3_600_000
    assert found["capacity_device_ms"] == 64 * 3_600_000
    assert [found[f"{name}_pct"] for name in ("sg", "rg", "pg", "mpg")] == [39.0625, 80.0, 50.0, 15.625]
    now = now_json(fleet_now(FLEET))
    assert msgspec.json.decode(msgspec.json.encode(now)) == now
    assert [job["job"] for job in now["jobs"]] == ["seg"]  # type: ignore[attr-defined]


@example([(0, 1, 1)])
@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 10**7), st.integers(0, 1000)), max_size=12))
def test_what_is_printed_in_whole_milliseconds_and_millionths_sums_as_the_exact_does(
    held: list[tuple[int, int, int]],
) -> None:
    events: list[FleetEvent] = [PriceEvent(0, "p", 1_234_567), NodeEvent(3, "n", "p", "up", 12)]
    for device, (at, span, milli) in enumerate(held):
        waits = Wait(at // 2, f"j{device}", max(1, milli))
        events += [waits, Alloc(at, f"j{device}", 0, "n", ((device, milli),)), Free(at + span, f"j{device}", 0)]
    exact = statement(fleet_of(events, 10**9 + 7), 0, 10**9 + 7, by=["job"])
    found = statement_json(exact)
    assert sum(found["leaves_device_ms"].values()) == found["capacity_device_ms"]  # type: ignore[attr-defined]
    own = [row["capacity_device_ms"] for row in found["rows"] if "capacity_device_ms" in row]  # type: ignore[union-attr]
    assert not own or (len(own), sum(own)) == (len(found["rows"]), found["capacity_device_ms"])  # type: ignore[arg-type,operator]
    for leaf, total in found["leaves_device_ms"].items():  # type: ignore[attr-defined]
        assert total == sum(row["leaves_device_ms"].get(leaf, 0) for row in found["rows"])  # type: ignore[attr-defined]
        assert abs(total - exact.whole.leaves[leaf] / 1e9) <= len(found["rows"]) + 1  # type: ignore[arg-type]
    for told in ("cost_micros", "queued_device_ms", "queued_cost_micros", "provisional_device_ms"):
        assert found[told] == sum(row[told] for row in found["rows"])  # type: ignore[attr-defined]
    assert abs(found["cost_micros"] - exact.whole.cost) <= 1  # type: ignore[operator]


def test_a_window_without_capacity_says_so_and_names_move_no_cursor() -> None:
    assert "there was no capacity" in cost_text(statement(fleet_of([], 9), 0, 9))
    assert now_text(fleet_now(fleet_of([], 9))).startswith("1970-01-01")
    odd = fleet_of([NodeEvent(0, "n\x1b[2J", "p", "up", 1)], H)
    assert "\x1b" not in now_text(fleet_now(odd))
