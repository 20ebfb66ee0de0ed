"""Verdicts as text."""

from __future__ import annotations

import math
from collections.abc import Sequence

from drivetrain.bench.decide.sides import Sides
from drivetrain.bench.decide.verdicts import FALSE_VERDICTS, CaseVerdict, Comparison, Gate
from drivetrain.bench.stats import Interval
from drivetrain.bench.values import value_text
from drivetrain.core.columns import aligned


def verdicts_text(verdicts: Sequence[CaseVerdict], sides: Sides, size: float) -> str:
    """A table of all comparisons and a line for each case."""
    lines = []
    for verdict in verdicts:
        lines.append(f"{verdict.case}: {verdict.answer}{_reason(verdict)}")
        lines += [f"  {line}" for line in aligned([comparison_cells(one) for one in verdict.comparisons])]
    lines += [f"{name}: no results of B beside those of A" for name in sides.missing]
    lines += [f"{name}: new, nothing to compare with" for name in sides.added]
    if verdicts:
        lines += ["", _promise(verdicts, size)]
    return "\n".join(lines)


def comparison_cells(one: Comparison) -> tuple[str, ...]:
    """Name, levels, change with its interval, answer."""
    answer: str = one.answer if one.is_judged else "not judged"
    if one.answer == "cannot tell" and one.is_judged:
        answer = "no harm" if one.is_harmless else f"cannot tell: {more_text(one)}"
    levels = f"{value_text(one.before, one.unit)} -> {value_text(one.after, one.unit)}"
    return one.metric, levels, change_text(one.change), answer


def change_text(change: Interval) -> str:
    """A share in percent with its interval."""
    if math.isinf(change.low) or math.isinf(change.high) or change.low <= -1:
        return f"{100 * change.mid:+.1f} %"
    return f"{100 * change.mid:+.1f} % ({100 * change.low:+.1f} to {100 * change.high:+.1f})"


def more_text(one: Comparison) -> str:
    """How many runs would decide it."""
    if one.num_more is None:
        return "too noisy for any reasonable number of runs"
    return f"{one.num_more} more run{'s' if one.num_more != 1 else ''} would decide"


def gate_text(answer: Gate, verdicts: Sequence[CaseVerdict], sides: Sides) -> str:
    """One line: the answer and what it rests on."""
    worse = [verdict.case for verdict in verdicts if verdict.answer == "worse"]
    if answer == "FAIL":
        return f"FAIL: {', '.join(worse)} got worse"
    if answer == "PASS":
        return (
            f"PASS: nothing got worse by as much as matters, in {len(verdicts)} case{'s' if len(verdicts) != 1 else ''}"
        )
    if not verdicts:
        return "INSUFFICIENT: there is nothing to compare"
    judged = [one for verdict in verdicts for one in verdict.comparisons if one.is_judged]
    undecided = [f"{one.case} {one.metric} ({more_text(one)})" for one in judged if not one.is_harmless]
    return "INSUFFICIENT: " + "; ".join([*undecided, *(f"{name} is missing from B" for name in sides.missing)])


def _reason(verdict: CaseVerdict) -> str:
    if verdict.answer == "cannot tell" and not verdict.why:
        return ", and surely no harm"
    return f" ({', '.join(verdict.why)})" if verdict.why else ""


def _promise(verdicts: Sequence[CaseVerdict], size: float) -> str:
    num = sum(one.is_judged for verdict in verdicts for one in verdict.comparisons)
    return (
        f"{num} comparisons; were A and B the same, any would be called better or worse with a chance of at most "
        f"{100 * FALSE_VERDICTS:g} %. Less than {100 * size:g} % does not matter."
    )
