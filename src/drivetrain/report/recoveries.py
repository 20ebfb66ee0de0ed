"""The recoveries of a run for people: a line each on the terminal, a table on the page, plain values for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise

from drivetrain.core.units import count_text, duration_text
from drivetrain.figures import Markup
from drivetrain.ledger import Recovery
from drivetrain.ledger.restarts import how_text
from drivetrain.report.html import section, table
from drivetrain.report.story import Story

_MOST = 50
_PHASES = ("noticed", "left", "met", "restored", "stepped")


def recoveries_section(story: Story) -> Markup:
    """A row for each recovery; nothing where there was none."""
    found = story.recoveries
    if not found:
        return Markup("")
    rows = [_row(recovery) for recovery in found[-_MOST:]]
    columns = [
        "#attempt",
        "after",
        "#noticed",
        "#left",
        "#met",
        "#restored",
        "#first step",
        "#in all",
        "state from",
        "#stayed",
        "#redone",
    ]
    note = "time of each phase, from the last record of what failed to a step of all ranks"
    if len(found) > _MOST:
        note += f"; the last {_MOST} of {len(found)}"
    return section("Recoveries", table(columns, rows, caption="Recoveries by phase", dense=True), note=note)


def recoveries_text(recoveries: Sequence[Recovery]) -> str:
    """One line for each of the last ten; empty where there was none."""
    lines = [f"attempt {each.attempt}, {_cause(each)}: {_phases_text(each)}" for each in recoveries[-10:]]
    if len(recoveries) > len(lines):
        lines.insert(0, f"the last {len(lines)} of {len(recoveries)} recoveries")
    return "\n".join(lines)


def recoveries_json(recoveries: Sequence[Recovery]) -> list[dict[str, object]]:
    """All of them, times in UTC ns."""
    return [{**asdict(recovery), "duration_ns": recovery.duration_ns} for recovery in recoveries]


def _row(recovery: Recovery) -> list[str]:
    lasted = _lasted(recovery)
    times = [duration_text(lasted[phase]) if phase in lasted else "–" for phase in _PHASES]
    total = "–" if recovery.duration_ns is None else duration_text(recovery.duration_ns)
    source = "–" if recovery.stepped_ns is None else recovery.restored_from
    counts = [str(recovery.num_stayed), f"{recovery.num_redone:,}"]
    return [str(recovery.attempt), _cause(recovery), *times, total, source, *counts]


def _phases_text(recovery: Recovery) -> str:
    words = {"left": "left", "met": "met", "restored": f"restored from {recovery.restored_from}"}
    lasted = _lasted(recovery)
    parts = [f"{words.get(phase, phase)} {duration_text(lasted[phase])}" for phase in _PHASES[:-1] if phase in lasted]
    if recovery.stepped_ns is None:
        parts.append("failed again before a step")
    elif recovery.duration_ns is not None:
        parts.append(f"next step after {duration_text(recovery.duration_ns)}")
    stayed = count_text(recovery.num_stayed, "process", "processes")
    kept = f"{stayed} stayed, {count_text(recovery.num_redone, 'step')} redone"
    return "; ".join(filter(None, (", ".join(parts), kept)))


def _lasted(recovery: Recovery) -> dict[str, int]:
    """How long each phase took, of those that there were; one that ended before an earlier one took nothing."""
    moments = {
        "last": recovery.last_ns,
        "noticed": recovery.noticed_ns,
        "left": recovery.begun_ns,
        "met": recovery.met_ns,
        "restored": recovery.restored_ns,
        "stepped": recovery.stepped_ns,
    }
    known = [(phase, at_ns) for phase, at_ns in moments.items() if at_ns is not None]
    return {phase: max(0, at_ns - before_ns) for (_, before_ns), (phase, at_ns) in pairwise(known)}


def _cause(recovery: Recovery) -> str:
    if not recovery.failed:
        return "no rank had failed"
    rank, code = recovery.failed[0]
    where = "before a step" if recovery.step is None else f"at step {recovery.step}"
    more = f", and {len(recovery.failed) - 1} more" if len(recovery.failed) > 1 else ""
    return f"rank {rank} {'hung' if recovery.is_hang else how_text(code)} {where}{more}"
