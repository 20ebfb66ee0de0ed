"""What operators have set, and what is to be made durable together."""

from __future__ import annotations

from dataclasses import dataclass, field

from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.states import AttemptRecord, JobRecord
from drivetrain.compute.policy import values


@dataclass(frozen=True, slots=True)
class Settings:
    """What operators have set."""

    pools: tuple[values.Pool, ...] = ()
    quotas: tuple[values.Quota, ...] = ()
    budgets: tuple[values.Budget, ...] = ()


@dataclass(slots=True)
class Changes:
    """What is to be made durable together.

    Attributes:
      jobs, attempts: as they are now, by id; added: ids of attempts that are new.
      nodes: that changed.
      events: kind, subject, data; for history.
    """

    jobs: dict[str, JobRecord] = field(default_factory=dict)
    attempts: dict[str, AttemptRecord] = field(default_factory=dict)
    added: set[str] = field(default_factory=set)
    nodes: dict[str, NodeRecord] = field(default_factory=dict)
    events: list[tuple[str, str, object]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.jobs or self.attempts or self.nodes or self.events)
