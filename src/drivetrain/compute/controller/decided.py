"""What history keeps of a plan, so that the policy can be asked again later."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from drivetrain.compute.policy import values
from drivetrain.compute.policy.values import Decision

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        values.Start,
        values.Resize,
        values.Preempt,
        values.Stop,
        values.Refuse,
        values.Cordon,
    )
}


def doing(decisions: Iterable[Decision]) -> tuple[Decision, ...]:
    """Those that change something: to wait does not, nor to warn."""
    return tuple(decision for decision in decisions if not isinstance(decision, values.Wait | values.Warn))


def plan_data(decisions: Sequence[Decision], now_s: float, most_of_a_kind: int | None) -> dict[str, object]:
    """As it is written down. Args: most_of_a_kind: of jobs that wait and ask for the same; None for all."""
    named = [(type(decision).__name__, decision) for decision in decisions]
    return {"now_s": now_s, "most_of_a_kind": most_of_a_kind, "decisions": named}


def plan_of(data: Any) -> tuple[float, int | None, tuple[Decision, ...]]:
    """When, told of how many of a kind, and what was decided."""
    told = [(kind, fields) for kind, fields in data["decisions"] if kind != "Warn"]  # written down before 0.1
    decisions = tuple(msgspec.convert(fields, _KINDS[kind]) for kind, fields in told)
    return data["now_s"], data["most_of_a_kind"], decisions
