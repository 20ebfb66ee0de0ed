"""The policies by name, and which is the best for what may be known."""

from __future__ import annotations

import difflib

from drivetrain.compute.policy.elastic.elastic import BLIND_EXPONENT, BLIND_PATIENCE, Elastic
from drivetrain.compute.policy.elastic.pollux import Pollux
from drivetrain.compute.policy.elastic.rollout import Rollout
from drivetrain.compute.policy.elastic.tiresias import Tiresias
from drivetrain.compute.policy.elastic.values import Knowledge, Policy
from drivetrain.core.errors import UsageError

POLICIES: tuple[Policy, ...] = (
    Rollout("rollout-declared", Knowledge.DECLARED),
    Rollout("rollout-named", Knowledge.NAMED),
    Elastic("elastic-declared", Knowledge.DECLARED),
    Elastic("elastic-named", Knowledge.NAMED),
    Elastic("elastic-blind", Knowledge.BLIND, BLIND_EXPONENT, BLIND_PATIENCE),
    Pollux(),
    Tiresias(),
)

DEFAULTS: dict[Knowledge, str] = {
    Knowledge.BLIND: "elastic-blind",
    Knowledge.NAMED: "rollout-named",
    Knowledge.DECLARED: "rollout-declared",
}
"""The best for each level of knowledge."""


def policy_named(name: str) -> Policy:
    """A policy by its name, however it is written; a level of knowledge gives its default.

    Raises: UsageError: there is none.
    """
    by_name = {_plain(policy.name): policy for policy in POLICIES}
    plain = _plain(DEFAULTS[Knowledge(name)] if name in list(Knowledge) else name)
    if plain in by_name:
        return by_name[plain]
    near = difflib.get_close_matches(plain, by_name, n=1)
    raise UsageError(
        f"no elastic policy {name[:40]!r}; there are {', '.join(policy.name for policy in POLICIES)}",
        hint=f"did you mean {by_name[near[0]].name}?" if near else "",
    )


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
