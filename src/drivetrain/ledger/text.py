"""An account as a table of text, for terminals."""

from __future__ import annotations

from drivetrain.core.leaves import Leaf
from drivetrain.core.units import duration_text
from drivetrain.ledger.accounting import Account

_BAR_CHARS = 30
_UNKNOWN_ALARM_PCT = 1.0


def table(account: Account) -> str:
    """Device time by leaf with its share of allocated device time, then goodput and what deserves a warning."""
    if not account.allocated_ns:
        return "nothing was allocated: no device time to account for"
    rows = [_row(leaf, ns, account.share_pct(leaf)) for leaf, ns in account.leaves.items()]
    lines = [
        f"{'leaf':<12}{'device time':>14}{'of allocated':>14}",
        *rows,
        _row("allocated", account.allocated_ns, 100.0),
        "",
        f"RG {account.goodput_pct:.1f} % = productive / allocated device time"
        f" ({duration_text(account.leaves.get(Leaf.PRODUCTIVE, 0))} / {duration_text(account.allocated_ns)})",
        _program_text(account),
        *_remarks(account),
    ]
    return "\n".join(lines)


def _program_text(account: Account) -> str:
    program_pct = account.program_goodput_pct
    if program_pct is None:
        return "PG not measured: no step was profiled"
    ideal = duration_text(account.ideal_ns or 0)
    productive = duration_text(account.leaves.get(Leaf.PRODUCTIVE, 0))
    both_pct = account.goodput_pct * program_pct / 100
    return (
        f"PG {program_pct:.1f} % = ideal / productive device time ({ideal} / {productive});"
        f" RG x PG {both_pct:.1f} % = ideal / allocated"
    )


def _row(name: str, ns: int, share_pct: float) -> str:
    bar = "" if name == "allocated" else "█" * round(share_pct / 100 * _BAR_CHARS)
    return f"{name:<12}{duration_text(ns):>14}{share_pct:>12.2f} %  {bar}".rstrip()


def _remarks(account: Account) -> list[str]:
    remarks = [
        f"attempts: {account.num_attempts} · steps kept: {account.num_steps_kept}, lost: {account.num_steps_lost}"
    ]
    if account.queued_ns:
        remarks.append(f"waited in the queue for {duration_text(account.queued_ns)} of device time, not counted above")
    if account.is_running:
        remarks.append("still running: steps that no checkpoint covers yet count as productive for now")
    unknown_pct = account.share_pct(Leaf.UNKNOWN)
    if unknown_pct > _UNKNOWN_ALARM_PCT:
        remarks.append(f"warning: {unknown_pct:.1f} % of allocated time is unknown (over {_UNKNOWN_ALARM_PCT:.0f} %)")
    return remarks
