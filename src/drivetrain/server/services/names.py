"""Names that people ask about: what they mean, and whether anything is called so."""

from __future__ import annotations

from sqlalchemy import Connection

from drivetrain.compute.policy.values import Budget, Pool, Quota
from drivetrain.core.config import nearest
from drivetrain.core.errors import UsageError
from drivetrain.server.database import Records
from drivetrain.server.services import jobs, people


def job_and_workers(connection: Connection, name: str) -> frozenset[str]:
    """Ids of the job that is meant and, where it is an array, of its workers. Raises: UsageError: there is none."""
    job = jobs.find(connection, name)
    if not job.job.array:
        return frozenset({job.id})
    return frozenset(each.id for each in Records(connection).family([job.id]))


def refuse_unknown(connection: Connection, what: str, name: str) -> None:
    """Args: what: `pool`, `team` or `user`. Raises: UsageError: none is called so, nor was whoever has a job."""
    records = Records(connection)
    known = _known(connection, records, what)
    has_job = what != "pool" and records.jobs(**{what: name}, limit=1)
    if name not in known and not has_job:
        guess = nearest(name, sorted(known))
        hint = f"did you mean {guess}?" if guess else f"drivetrain cost --by {what} lists them"
        raise UsageError(f"there is no {what} {name[:80]!r}", hint=hint)


def _known(connection: Connection, records: Records, what: str) -> set[str]:
    if what == "pool":
        return {pool.name for pool in records.settings("pool", Pool)}
    users = people.listed(connection, 0.0)
    if what == "user":
        return {user["name"] for user in users}
    teams = {team for user in users for team in user["teams"]}
    teams |= {quota.team for quota in records.settings("quota", Quota)}
    return teams | {budget.team for budget in records.settings("budget", Budget)}
