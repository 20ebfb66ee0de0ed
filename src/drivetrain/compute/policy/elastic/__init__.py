"""How many GPUs an elastic job gets, and which.

Life of a value: a `Moment` (the cluster, jobs, what each has measured and what may be known of it) -> an `Outlook` for
each job (work that remains, speed at each size) -> sizes by a rule -> placements. What a policy wants to remember goes
out with its `Decision` and comes back with the next moment.

values.py     what a policy is told, and what it answers
policies.py   the policies by name
outlook.py    work that remains, speed at each size
learned.py    what finished jobs tell of that
speed.py      step times fitted to what was measured
elastic.py    a rule: the sum of times to the end ^ -exponent
rollout.py    a rule: play several rules ahead, take the first step of the best
tiresias.py, pollux.py   peers
sizes.py      which sizes there are
place.py      sizes become placements
kernels/      inner loops
"""

from drivetrain.compute.policy.elastic.policies import DEFAULTS, POLICIES, policy_named
from drivetrain.compute.policy.elastic.values import (
    Cluster,
    Decision,
    ElasticJob,
    Finished,
    Knowledge,
    Measured,
    Moment,
    Placement,
    Policy,
)

__all__ = [
    "DEFAULTS",
    "POLICIES",
    "Cluster",
    "Decision",
    "ElasticJob",
    "Finished",
    "Knowledge",
    "Measured",
    "Moment",
    "Placement",
    "Policy",
    "policy_named",
]
