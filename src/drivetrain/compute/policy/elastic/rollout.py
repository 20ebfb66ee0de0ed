"""The rollout rule: play several rules ahead, and take the first step of the one that serves all jobs best.

The rules are the elastic one with several exponents, and serving by the shortest time with several thrifts. They are
played ahead in a fluid model, with the last hour's arrivals come again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from drivetrain.compute.policy.elastic.elastic import Table, placed, tabulate
from drivetrain.compute.policy.elastic.kernels import ELASTIC, IN_TURN
from drivetrain.compute.policy.elastic.outlook import Outlook, outlooks
from drivetrain.compute.policy.elastic.sizes import Ints
from drivetrain.compute.policy.elastic.values import Decision, Knowledge, Moment, Placement

RULES = (
    *((ELASTIC, exponent) for exponent in (0.4, 0.6, 0.8, 1.0)),
    *((IN_TURN, thrift) for thrift in (0.125, 0.25, 0.5, 1.0, 2.0)),
)
PLAY_EVERY_S = 120.0
"""While the same jobs are there and none has tried a new size, sizes are kept for so long."""
PATIENCE = 0.25
"""How much more a second of a long job counts: times are added up to the power of 1 + this. With 0 the mean is a little
shorter, and the longest jobs wait for it."""
AGAIN_AFTER_S = 3600.0
"""Jobs of so long are expected to come again in as long."""


@dataclass(frozen=True, slots=True)
class Recent:
    """A job that came lately: when, and what it was all in all."""

    arrived_s: float
    whole: Outlook


@dataclass(frozen=True, slots=True)
class Played:
    """What it remembers: when it last played ahead, of which jobs and sizes tried, and who came lately."""

    played_s: float = -math.inf
    tried: Mapping[str, int] = field(default_factory=dict)
    recent: Mapping[str, Recent] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rollout:
    """Shares GPUs out by the rule that does best ahead."""

    name: str
    knowledge: Knowledge
    patience: float = PATIENCE
    tunes_batch: bool = True

    def decide(self, moment: Moment, memory: object) -> Decision:
        """See `Policy`."""
        before = memory if isinstance(memory, Played) else Played()
        expected = outlooks(moment, self.knowledge)
        recent = _recent(before.recent, moment, expected)
        tried = {job.name: job.tried_gpus for job in moment.jobs}
        if tried == before.tried and moment.now_s - before.played_s < PLAY_EVERY_S:
            kept: dict[str, Placement] = {job.name: job.placement for job in moment.jobs if job.placement}
            return Decision(kept, Played(before.played_s, tried, recent))
        table = tabulate(moment, expected)
        chosen_J = _best_first_step(moment, table, list(recent.values()), self.patience)
        return Decision(placed(moment, table.sizes_S, chosen_J), Played(moment.now_s, tried, recent))


def _recent(before: Mapping[str, Recent], moment: Moment, expected: Sequence[Outlook]) -> dict[str, Recent]:
    """Jobs of the last hour in the order of their coming, by what is known of them now or was when they ended."""
    recent = {name: one for name, one in before.items() if moment.now_s - one.arrived_s < AGAIN_AFTER_S}
    for job, one in zip(moment.jobs, expected, strict=True):
        if moment.now_s - job.submitted_s < AGAIN_AFTER_S:
            recent[job.name] = Recent(job.submitted_s, Outlook(job.progress + one.left, one.rate_S))
    return recent


def _best_first_step(moment: Moment, table: Table, recent: Sequence[Recent], patience: float) -> Ints:
    """The sizes that the best rule gives now."""
    from drivetrain.compute.policy.elastic.kernels.ahead import play_ahead
    from drivetrain.compute.policy.elastic.kernels.sharing import sizes_by, times_to_end

    coming = sorted(recent, key=lambda one: one.arrived_s)
    num, ahead, num_gpus = len(moment.jobs), len(coming), moment.cluster.num_gpus
    left_N = np.concatenate([table.left_J, [one.whole.left for one in coming]])
    rate_NS = np.concatenate([table.rate_JS, *([one.whole.rate_S] for one in coming)])
    arrives_N = np.array([0.0] * num + [one.arrived_s + AGAIN_AFTER_S - moment.now_s for one in coming])
    age_N = np.concatenate([table.age_J, np.zeros(ahead)])
    size_N = np.concatenate([table.size_J, np.zeros(ahead, dtype=np.int64)])
    waits_N = np.array([moment.restart_s if job.restarting else 0.0 for job in moment.jobs] + [0.0] * ahead)
    time_JS = times_to_end(table.left_J, table.rate_JS, table.size_J, moment.restart_s)
    least, best_J = math.inf, None
    for rule, constant in RULES:
        first_J = sizes_by(
            rule, constant, patience, time_JS, table.age_J, table.least_J, table.most_J, table.sizes_S, num_gpus
        )
        firsts_N = np.concatenate([first_J, np.zeros(ahead, dtype=np.int64)])
        cost = play_ahead(
            rule, constant, patience, left_N, rate_NS, arrives_N, age_N, size_N, waits_N, firsts_N,
            table.sizes_S, num_gpus, moment.restart_s, moment.every_s, least,
        )  # fmt: skip
        if best_J is None or cost < least:
            least, best_J = cost, first_J
    assert best_J is not None
    return best_J
