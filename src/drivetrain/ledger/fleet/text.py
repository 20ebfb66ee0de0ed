"""A fleet's account as tables of text, for terminals: what `drivetrain cost` and `drivetrain top` print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from drivetrain.core.clock import utc_text
from drivetrain.core.columns import aligned
from drivetrain.core.leaves import Leaf
from drivetrain.core.units import NS_PER_S, count_text, duration_text
from drivetrain.ledger.fleet.account import FleetAccount, Statement, micros
from drivetrain.ledger.fleet.events import MILLI
from drivetrain.ledger.fleet.now import FleetNow, JobNow, NodeNow, PoolNow

_BAR_CHARS = 30
_UNKNOWN_ALARM_PCT = 1.0
_MOST_ROWS = 40
_MILLI_NS_PER_DEVICE_H = MILLI * 3600 * NS_PER_S

Row = Sequence[str]


def cost_text(found: Statement, *, most_rows: int = _MOST_ROWS) -> str:
    """Device time and money by row, dearest first, then of the whole by leaf, and what deserves a warning."""
    whole = found.whole
    if not whole.capacity and not whole.queued and not whole.uncarried:
        return f"{_window(whole)}: there was no capacity to account for"
    lines = [_window(whole), ""]
    if found.by:
        lines += [*_rows_text(found, most_rows), ""]
    return "\n".join([*lines, *_leaves_text(whole), "", *_goodput_text(whole), *_remarks(whole)])


def now_text(now: FleetNow, *, most_rows: int = _MOST_ROWS) -> str:
    """Pools, nodes (those first that take no work, then those with room), who has what, who waits, and the yield."""
    account = now.account
    nodes = sorted(
        now.nodes, key=lambda node: (node.state == "up", node.held >= MILLI * (node.devices - node.others), node.name)
    )
    waiting = [
        (w.job, w.team or "–", w.user or "–", w.pool or "any", _devices(w.milli), duration_text(now.at_ns - w.since_ns))
        for w in now.waiting[:most_rows]
    ]
    parts = [
        [utc_text(now.at_ns), *_goodput_text(account), *_remarks(account)],
        _table(
            ("pool", "nodes", "devices", "held", "idle", "fragmented", "draining", "broken", "waiting", "SG", "RG"),
            [_pool_row(pool) for pool in now.pools],
            num_left=2,
        ),
        _table(("node", "pool", "state", "held", "jobs"), [_node_row(node) for node in nodes[:most_rows]], num_left=3),
        _more(len(now.nodes) - most_rows, "node"),
        _table(
            ("job", "team", "user", "pool", "devices", "nodes", "for", "RG", "lost most to"),
            [_job_row(job, now.at_ns) for job in now.jobs[:most_rows]],
            num_left=4,
        ),
        _more(len(now.jobs) - most_rows, "job"),
        _table(("waits", "team", "user", "pool", "devices", "for"), waiting, num_left=4),
        _more(len(now.waiting) - most_rows, "job"),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _rows_text(found: Statement, most_rows: int) -> list[str]:
    whole = found.whole
    ordered = sorted(found.rows.items(), key=lambda item: (-sum(item[1].money.values()), -_own(item[1]), item[0]))
    rows = [(*_names(names, found.by), *_figures(account, whole)) for names, account in ordered[:most_rows]]
    rest = [account for _, account in ordered[most_rows:]]
    if rest:
        own, money = sum(map(_own, rest)), sum(sum(account.money.values()) for account in rest)
        name = f"({len(rest):,} more)"
        rows.append((name, *[""] * (len(found.by) - 1), _hours(own), _money(money), "", "", "", "", "", ""))
    rows.append(("all", *[""] * (len(found.by) - 1), *_figures(whole, whole)))
    header = (*found.by, "device h", "cost", "of capacity", "RG", "PG", "waited h", "attempts", "lost most to")
    return _table(header, rows, num_left=len(found.by))


def _names(names: Sequence[str], by: Sequence[str]) -> Row:
    return [name or ("(any)" if kind == "pool" else "(nobody)") for name, kind in zip(names, by, strict=True)]


def _figures(account: FleetAccount, whole: FleetAccount) -> Row:
    own = _own(account)
    return (
        _hours(own),
        _money(sum(account.money.values())),
        _pct(own / whole.capacity) if whole.capacity else "–",
        _pct(account.rg) if account.allocated else "–",
        "–" if account.pg is None else _pct(account.pg),
        _hours(account.queued),
        f"{account.num_attempts:,}",
        _largest_loss(account),
    )


def _largest_loss(account: FleetAccount) -> str:
    losses = [(time, leaf) for leaf, time in account.leaves.items() if leaf != Leaf.PRODUCTIVE]
    if not losses:
        return "–"
    time, leaf = max(losses)
    return f"{leaf} {_pct(time / _own(account))}"


def _leaves_text(whole: FleetAccount) -> list[str]:
    header = f"{'leaf':<12}{'device h':>14}{'of capacity':>14}{'cost':>16}"
    rows = [_leaf_row(leaf, time, whole.money.get(leaf, 0), whole.capacity) for leaf, time in whole.leaves.items()]
    if _own(whole) != whole.capacity:
        return [header, *rows]  # a team's, user's or job's: what it is measured against is not its own
    return [header, *rows, _leaf_row("capacity", whole.capacity, sum(whole.money.values()), whole.capacity)]


def _leaf_row(name: str, time: int, money: int, capacity: int) -> str:
    share = time / capacity if capacity else 0.0
    bar = "" if name == "capacity" else "█" * round(share * _BAR_CHARS)
    return f"{name:<12}{_hours(time):>14}{100 * share:>12.2f} %{_money(money):>16}  {bar}".rstrip()


def _goodput_text(account: FleetAccount) -> list[str]:
    h = _hours
    lines = [
        f"SG {_pct(account.sg)} = allocated / capacity ({h(account.allocated)} / {h(account.capacity)} device h)",
        f"RG {_pct(account.rg)} = productive / allocated ({h(account.productive)} / {h(account.allocated)})",
    ]
    if account.pg is None or account.mpg is None:
        return [*lines, "PG not measured: no step was profiled"]
    is_part = account.measured != account.productive
    part = f", of the {_pct(account.measured / account.productive)} where it was measured" if is_part else ""
    return [
        *lines,
        f"PG {_pct(account.pg)} = ideal / productive ({h(account.ideal)} / {h(account.measured)}{part})",
        f"MPG {_pct(account.mpg)} = SG x RG x PG = ideal / capacity" + (" if the rest is alike" if is_part else ""),
    ]


def _remarks(account: FleetAccount) -> list[str]:
    remarks = []
    if account.queued:
        money = f", {_money(account.queued_money)} at the cheapest pool's price" if account.queued_money else ""
        remarks.append(f"jobs waited for {_hours(account.queued)} device h{money}; not counted above")
    if account.provisional:
        remarks.append(
            f"{_hours(account.provisional)} device h are of attempts that still run: their leaves may change"
        )
    unknown = account.leaves.get(Leaf.UNKNOWN, 0)
    if 100 * unknown > _UNKNOWN_ALARM_PCT * account.allocated:
        share = _pct(unknown / account.allocated)
        remarks.append(
            f"warning: {share} of allocated time is unknown (over {_UNKNOWN_ALARM_PCT:.0f} %):"
            " its ranks say nothing of their steps, as dt.Run, dt.step_done and callbacks would"
        )
    if account.uncarried:
        remarks.append(
            f"warning: {_hours(account.uncarried)} device h were given to attempts and not there:"
            " their node was gone, or the same device was given to another"
        )
    return remarks


def _pool_row(pool: PoolNow) -> Row:
    level, account = pool.level, pool.account
    nodes = ", ".join(f"{num} {state}" for state, num in pool.nodes.items()) or "0"
    shares = (level.allocated, level.idle, level.fragmented, level.draining, level.broken)
    waiting = f"{_devices(pool.waiting)} ({pool.num_waiting})" if pool.num_waiting else "–"
    return (
        pool.name,
        nodes,
        _devices(level.capacity),
        *(_devices(share) if share else "–" for share in shares),
        waiting,
        _pct(account.sg),
        _pct(account.rg) if account.allocated else "–",
    )


def _node_row(node: NodeNow) -> Row:
    jobs = ", ".join(node.jobs[:3]) + (f" and {len(node.jobs) - 3} more" if len(node.jobs) > 3 else "")
    held = f"{_devices(node.held)} of {node.devices - node.others}"
    rest = "asleep" if node.is_asleep else f"{node.others} others'"
    whose = f"{jobs}{'; ' if jobs else ''}{rest}" if node.others else jobs
    return node.name, node.pool, node.state, held, whose or "–"


def _job_row(job: JobNow, at_ns: int) -> Row:
    return (
        job.job,
        job.team or "–",
        job.user or "–",
        ", ".join(job.pools) or "–",
        _devices(job.milli),
        str(job.num_nodes),
        duration_text(at_ns - job.since_ns),
        _pct(job.account.rg) if job.account.allocated else "–",
        _largest_loss(job.account),
    )


def _more(number: int, noun: str) -> list[str]:
    return [f"and {count_text(number, noun)} more"] if number > 0 else []


def _table(header: Row, rows: Iterable[Row], *, num_left: int) -> list[str]:
    """Columns: so many to the left, the last too, and the others to the right. Nothing without rows."""
    listed = [[_printable(cell) for cell in row] for row in rows]
    return aligned([header, *listed], range(num_left, len(header) - 1)) if listed else []


def _printable(cell: str) -> str:
    """Names come from files: none of them moves the cursor."""
    return "".join(char if char.isprintable() else "\ufffd" for char in cell)


def _window(account: FleetAccount) -> str:
    return f"{utc_text(account.start_ns)} to {utc_text(account.end_ns)}"


def _own(account: FleetAccount) -> int:
    return sum(account.leaves.values())


def _hours(milli_ns: int) -> str:
    """With two digits that count: what a share is worked out from has to give that share."""
    hours = milli_ns / _MILLI_NS_PER_DEVICE_H
    return f"{hours:,.1f}" if hours >= 0.995 or not milli_ns else f"{hours:#.2g}"


def _money(amount: int) -> str:
    return f"{micros(amount) / 1_000_000:,.2f}"


def _devices(milli: int) -> str:
    return f"{milli / MILLI:,.3f}".rstrip("0").rstrip(".")


def _pct(share: float) -> str:
    return f"{100 * share:.1f} %"
