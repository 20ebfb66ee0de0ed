"""A fleet's account as plain values for JSON: whole device-milliseconds and millionths of the currency.

Rounding keeps sums: leaves sum to capacity, and rows to the whole, in what is printed too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from drivetrain.core.units import NS_PER_MS, NS_PER_S
from drivetrain.ledger.fleet.account import MONEY_PER_MICRO, FleetAccount, Statement, nearest, stacked
from drivetrain.ledger.fleet.events import MILLI
from drivetrain.ledger.fleet.now import FleetNow, JobNow, NodeNow, PoolNow, WaitingNow

PER_DEVICE_MS = MILLI * NS_PER_MS
_BESIDE: Mapping[str, tuple[str, int]] = {
    "measured_device_ms": ("measured", PER_DEVICE_MS),
    "provisional_device_ms": ("provisional", PER_DEVICE_MS),
    "uncarried_device_ms": ("uncarried", PER_DEVICE_MS),
    "queued_device_ms": ("queued", PER_DEVICE_MS),
    "queued_cost_micros": ("queued_money", MONEY_PER_MICRO),
}
"""What an account has beside its leaves -> as which attribute, and the unit in which it is told."""


def statement_json(found: Statement) -> dict[str, object]:
    """A statement: the whole, and a list of rows, each with the names that tell it apart."""
    rows = [(names, account) for names, account in found.rows.items()]
    times = _rounded([account.leaves for _, account in rows], PER_DEVICE_MS)
    money = _rounded([account.money for _, account in rows], MONEY_PER_MICRO)
    beside = _beside([account for _, account in rows])
    whole = _account_json(found.whole, _sum(times), _sum(money), *_beside([found.whole]))
    have_own = all(sum(account.leaves.values()) == account.capacity for _, account in rows)
    return {
        "start_ns": found.whole.start_ns,
        "end_ns": found.whole.end_ns,
        "by": list(found.by),
        **whole,
        "rows": [
            {**dict(zip(found.by, names, strict=True)), **_row_json(account, *amounts, has_own=have_own)}
            for (names, account), *amounts in zip(rows, times, money, beside, strict=True)
        ],
    }


def _row_json(
    account: FleetAccount,
    leaves: Mapping[str, int],
    cost: Mapping[str, int],
    beside: Mapping[str, int],
    *,
    has_own: bool,
) -> dict[str, object]:
    """A row's account, with a capacity where each row's is its own, as pools' are: these sum to the whole's."""
    told = _account_json(account, leaves, cost, beside)
    if not has_own:
        del told["capacity_device_ms"]
    return told


def now_json(now: FleetNow) -> dict[str, object]:
    """A fleet at this moment; `account` of all of them is of the window that ends there."""
    return {
        "at_ns": now.at_ns,
        "window_s": (now.account.end_ns - now.account.start_ns) / NS_PER_S,
        "account": account_json(now.account),
        "pools": [_pool_json(pool) for pool in now.pools],
        "nodes": [_node_json(node) for node in now.nodes],
        "jobs": [_job_json(job) for job in now.jobs],
        "waiting": [_waiting_json(waiting) for waiting in now.waiting],
    }


def account_json(account: FleetAccount) -> dict[str, object]:
    """One account that stands by itself."""
    (leaves,) = _rounded([account.leaves], PER_DEVICE_MS)
    (money,) = _rounded([account.money], MONEY_PER_MICRO)
    return _account_json(account, leaves, money, *_beside([account]))


def _account_json(
    account: FleetAccount, leaves: Mapping[str, int], money: Mapping[str, int], beside: Mapping[str, int]
) -> dict[str, object]:
    own = sum(account.leaves.values()) == account.capacity  # all of what it is measured against
    return {
        "capacity_device_ms": sum(leaves.values()) if own else nearest(account.capacity, PER_DEVICE_MS),
        "leaves_device_ms": dict(leaves),
        "sg_pct": 100 * account.sg,
        "rg_pct": 100 * account.rg,
        "pg_pct": None if account.pg is None else 100 * account.pg,
        "mpg_pct": None if account.mpg is None else 100 * account.mpg,
        "cost_micros": sum(money.values()),
        "cost_micros_by_leaf": dict(money),
        **beside,
        "num_attempts": account.num_attempts,
    }


def _beside(accounts: Sequence[FleetAccount]) -> list[dict[str, int]]:
    """What each has beside its leaves, rounded likewise."""
    columns = {
        name: _rounded([{name: getattr(account, what)} for account in accounts], unit)
        for name, (what, unit) in _BESIDE.items()
    }
    return [{name: column[at][name] for name, column in columns.items()} for at in range(len(accounts))]


def _rounded(rows: list[Mapping[str, int]], unit: int) -> list[dict[str, int]]:
    """Each amount in units, rounded so that every running sum over rows and leaves is to the nearest."""
    found, reached, written = [], 0, 0
    for row in rows:
        cells: dict[str, int] = {}
        for leaf, amount in row.items():
            reached += amount
            upto = nearest(reached, unit)
            cells[leaf], written = upto - written, upto
        found.append(cells)
    return found


def _sum(rows: list[dict[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for row in rows:
        for leaf, amount in row.items():
            sums[leaf] += amount
    return stacked(sums)


def _pool_json(pool: PoolNow) -> dict[str, object]:
    return {
        "pool": pool.name,
        "price_micros_per_device_h": pool.price,
        "devices": {name: milli / MILLI for name, milli in pool.level._asdict().items()},
        "nodes_by_state": dict(pool.nodes),
        "num_waiting": pool.num_waiting,
        "waiting_devices": pool.waiting / MILLI,
        "account": account_json(pool.account),
    }


def _node_json(node: NodeNow) -> dict[str, object]:
    return {
        "node": node.name,
        "pool": node.pool,
        "state": node.state,
        "devices": node.devices,
        "held_devices": node.held / MILLI,
        "others_devices": node.others,
        "is_asleep": node.is_asleep,
        "jobs": list(node.jobs),
    }


def _job_json(job: JobNow) -> dict[str, object]:
    return {
        "job": job.job,
        "attempt": job.attempt,
        "team": job.team,
        "user": job.user,
        "pools": list(job.pools),
        "devices": job.milli / MILLI,
        "num_nodes": job.num_nodes,
        "since_ns": job.since_ns,
        "account": account_json(job.account),
    }


def _waiting_json(waiting: WaitingNow) -> dict[str, object]:
    return {
        "job": waiting.job,
        "team": waiting.team,
        "user": waiting.user,
        "pool": waiting.pool,
        "devices": waiting.milli / MILLI,
        "since_ns": waiting.since_ns,
    }
