"""The elastic rule: GPUs go where they shorten the time to the end of short jobs most.

Pollux maximises speed-ups; this maximises the sum over jobs of (time to the end at its size) ^ -exponent, which falls
fastest where a job that is nearly done can be ended. A job gets its next GPUs by the best gain for each of them over
all larger sizes, as some models are slower on the next size and faster on the one after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drivetrain.compute.policy.elastic.kernels import ELASTIC
from drivetrain.compute.policy.elastic.outlook import Outlook, outlooks
from drivetrain.compute.policy.elastic.place import place
from drivetrain.compute.policy.elastic.sizes import Floats, Ints, sizes_of
from drivetrain.compute.policy.elastic.values import Decision, ElasticJob, Knowledge, Moment

EXPONENT = 0.6
"""Where lengths are known: towards 0 all jobs get equally many GPUs, from 1 on the shortest gets all it can use."""
BLIND_EXPONENT = 0.1
"""Where they are not, nearly equal shares; what tilts them is that a job which has had much has probably far to go."""
BLIND_PATIENCE = 0.1
"""As much more then counts whoever came first, so that long jobs are not put off on a guess; see `sizes_by`."""
FIRST_GPUS = 4
"""The most that a job gets before it has measured anything."""
GROWTH = 4
"""It gets at most so many times what it has tried: a fit tells little of sizes further off."""
OWED = 0.25
"""A job is owed this part of a GPU, or of an equal share where there are more jobs than GPUs, over its life."""
OWED_AFTER_S = 600.0


@dataclass(frozen=True, slots=True)
class Elastic:
    """Shares GPUs out by the elastic rule."""

    name: str
    knowledge: Knowledge
    exponent: float = EXPONENT
    patience: float = 0.0
    tunes_batch: bool = True

    def decide(self, moment: Moment, memory: object) -> Decision:  # noqa: ARG002 - it remembers nothing
        """See `Policy`."""
        from drivetrain.compute.policy.elastic.kernels.sharing import sizes_by, times_to_end

        table = tabulate(moment, outlooks(moment, self.knowledge))
        time_JS = times_to_end(table.left_J, table.rate_JS, table.size_J, moment.restart_s)
        chosen_J = sizes_by(
            ELASTIC,
            self.exponent,
            self.patience,
            time_JS,
            table.age_J,
            table.least_J,
            table.most_J,
            table.sizes_S,
            moment.cluster.num_gpus,
        )
        return Decision(placed(moment, table.sizes_S, chosen_J))


@dataclass(frozen=True, slots=True)
class Table:
    """Jobs as arrays: J of them in the moment's order, S sizes; sizes of jobs are indices.

    Attributes:
      age_J: seconds since each came.
      size_J: what each has.
      least_J, most_J: what each may get now.
    """

    left_J: Floats
    rate_JS: Floats
    age_J: Floats
    size_J: Ints
    least_J: Ints
    most_J: Ints
    sizes_S: Ints


def tabulate(moment: Moment, expected: Sequence[Outlook]) -> Table:
    """What the kernels need to know of all jobs."""
    sizes_S = sizes_of(moment.cluster)
    jobs = moment.jobs
    size_J = _index(sizes_S, [job.num_gpus for job in jobs])
    caps = [min(job.most_gpus, max(FIRST_GPUS, GROWTH * job.tried_gpus)) for job in jobs]
    most_J = np.where([job.restarting for job in jobs], size_J, _index(sizes_S, caps))
    least_J = np.where([job.restarting for job in jobs], size_J, 0)
    free = moment.cluster.num_gpus - int(sizes_S[least_J].sum())
    for j in _owed(moment):
        if free > 0 and least_J[j] == 0 and most_J[j] > 0:
            least_J[j] = 1
            free -= int(sizes_S[1])
    return Table(
        np.array([one.left for one in expected]),
        np.array([one.rate_S for one in expected]),
        np.array([moment.now_s - job.submitted_s for job in jobs]),
        size_J,
        least_J,
        most_J,
        sizes_S,
    )


def placed(moment: Moment, sizes_S: Ints, chosen_J: Ints) -> dict[str, tuple[tuple[int, int], ...]]:
    """Nodes for the sizes that were chosen."""
    sizes = {job.name: int(sizes_S[s]) for job, s in zip(moment.jobs, chosen_J, strict=True)}
    return place(sizes, moment.jobs, moment.cluster)


def _owed(moment: Moment) -> list[int]:
    """Jobs that have had too little since they came, and get a GPU before any job grows; who waits longest first."""
    share = OWED * min(1.0, moment.cluster.num_gpus / len(moment.jobs))
    return [
        j
        for j, job in sorted(enumerate(moment.jobs), key=lambda item: item[1].submitted_s)
        if _lacks(job, moment, share)
    ]


def _lacks(job: ElasticJob, moment: Moment, share: float) -> bool:
    age_s = moment.now_s - job.submitted_s
    owed = share * (2 if job.placement else 1)  # so that who has just got one keeps it for a while
    return age_s > OWED_AFTER_S and job.held_gpu_s < owed * age_s


def _index(sizes_S: Ints, gpus: Sequence[int]) -> Ints:
    """Of the largest size that is no larger."""
    return np.searchsorted(sizes_S, np.asarray(gpus, dtype=np.int64), side="right") - 1
