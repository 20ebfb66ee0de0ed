"""What can happen to a job and its attempt: each a pure function from what was to what is."""

from __future__ import annotations

from drivetrain.compute.controller import told
from drivetrain.compute.controller.states import AttemptRecord, AttemptState, JobRecord, JobState, Why, changed
from drivetrain.compute.policy.values import Share

_MOST_LOST = 100
_LOST_AT_ONCE, _LONGEST_PAUSE_S = 5, 300.0
"""So often a job whose node was lost is tried again at once; then after pauses, each twice as long as the last."""

_NOT_TAKEN_PAUSE_S = 60.0
"""What an engine refuses for now, such as more jobs than a user may have there, it is not asked for all the time."""

Both = tuple[JobRecord, AttemptRecord]


def placed(job: JobRecord, shares: tuple[Share, ...], pool: str, reason: str, now_s: float) -> Both:
    """A waiting job gets places. Durable before the engine hears of it."""
    number = job.num_attempts
    attempt = AttemptRecord(
        id=f"{job.id}.{number}",
        job=job.id,
        number=number,
        shares=shares,
        pool=pool,
        placed_s=now_s,
        saved_s=None,
        reason=reason,
    )
    starting = changed(job, state=JobState.STARTING, reason=reason, num_attempts=number + 1, position=0)
    return starting, attempt


def alive(job: JobRecord, attempt: AttemptRecord, now_s: float, *, begun_s: float | None = None) -> Both:
    """An agent of it was heard of.

    Args:
      begun_s: when it began, which is long ago where no server was there to hear of it; now, if nobody says.
    """
    if attempt.started_s is not None or attempt.state is AttemptState.ENDED:
        return job, attempt
    started_s = now_s if begun_s is None else min(max(begun_s, attempt.placed_s), now_s)
    attempt = changed(attempt, started_s=started_s, progress_s=now_s)
    if attempt.state is AttemptState.LEAVING:
        return job, attempt
    return changed(job, state=JobState.RUNNING, reason=""), changed(attempt, state=AttemptState.RUNNING)


def progressed(attempt: AttemptRecord, *, step: int | None, saved_step: int | None, now_s: float) -> AttemptRecord:
    """An agent said how far it is."""
    if step is not None and (attempt.step is None or step > attempt.step):
        attempt = changed(attempt, step=step, progress_s=now_s)
        if attempt.first_step is None:
            attempt = changed(attempt, first_step=step, first_step_s=now_s)
    if saved_step is not None and (attempt.saved_step is None or saved_step > attempt.saved_step):
        attempt = changed(attempt, saved_step=saved_step, saved_s=now_s)
    return attempt


def told_to_leave(
    job: JobRecord, attempt: AttemptRecord, why: Why, reason: str, *, grace_s: float, now_s: float, lost_s: float = 0.0
) -> Both:
    """It has to save and leave; a stop outweighs what it was told before, nothing else does."""
    if attempt.state is AttemptState.ENDED or (attempt.why is not None and why is not Why.STOPPED):
        return job, attempt
    leave_by_s = now_s + grace_s if attempt.leave_by_s is None else min(attempt.leave_by_s, now_s + grace_s)
    leaving = changed(attempt, state=AttemptState.LEAVING, why=why, reason=reason, leave_by_s=leave_by_s, lost_s=lost_s)
    return changed(job, state=JobState.LEAVING, reason=reason), leaving


def exited(
    job: JobRecord,
    attempt: AttemptRecord,
    member: int,
    exit_code: int,
    now_s: float,
    words: str = "",
    *,
    over_s: float | None = None,
) -> Both:
    """An agent has said how its ranks ended, and why in words; said twice, it counts once.

    Args:
      over_s: when they ended; now, if nobody says.
    """
    if attempt.state is AttemptState.ENDED or member in attempt.exits or member in attempt.lost:
        return job, attempt
    if not 0 <= member < len(attempt.shares):
        return job, attempt
    ran_until_s = _ran_until_s(attempt, now_s if over_s is None else min(over_s, now_s))
    attempt = changed(attempt, exits={**attempt.exits, member: exit_code}, ran_until_s=ran_until_s)
    reason = _failure(attempt, member, words)
    if exit_code and attempt.why is None:
        job, attempt = told_to_leave(job, attempt, Why.FAILED, reason, grace_s=job.job.grace_s, now_s=now_s)
    elif words and attempt.why is Why.FAILED and _said_no_more_than(attempt, exit_code):
        job, attempt = changed(job, reason=reason), changed(attempt, reason=reason)
    return _ended(job, attempt, now_s)


def _failure(attempt: AttemptRecord, member: int, words: str = "") -> str:
    return f"ended with {attempt.exits[member]} on {attempt.nodes[member]}{f': {words}' if words else ''}"


def _said_no_more_than(attempt: AttemptRecord, exit_code: int) -> bool:
    """Whether its reason is this exit code alone: only who leads a gang knows why, and others may end first."""
    return any(
        code == exit_code and attempt.reason == _failure(attempt, member) for member, code in attempt.exits.items()
    )


def member_lost(job: JobRecord, attempt: AttemptRecord, member: int, now_s: float) -> Both:
    """An agent is gone without a word, and its engine says that nothing of it is left there."""
    if attempt.state is AttemptState.ENDED or member in attempt.exits or member in attempt.lost:
        return job, attempt
    attempt = changed(attempt, lost=(*attempt.lost, member), ran_until_s=_ran_until_s(attempt, now_s))
    if not _have_all_ended(attempt):
        reason = f"node {attempt.nodes[member]} is lost"
        job, attempt = told_to_leave(job, attempt, Why.LOST, reason, grace_s=job.job.grace_s, now_s=now_s)
    return _ended(job, attempt, now_s)


def not_taken(job: JobRecord, attempt: AttemptRecord, reason: str, now_s: float) -> Both:
    """Its engine would not take it: nothing of it has run, and it is tried again after a pause."""
    if attempt.state is not AttemptState.PLACED:
        lost = tuple(member for member in range(len(attempt.shares)) if member not in attempt.exits)
        return _ended(job, changed(attempt, lost=lost), now_s)
    attempt = changed(attempt, state=AttemptState.ENDED, why=Why.LOST, reason=reason, ended_s=now_s)
    return changed(job, state=JobState.WAITING, reason=reason, eligible_s=now_s + _NOT_TAKEN_PAUSE_S), attempt


def stopped_waiting(job: JobRecord, reason: str, now_s: float) -> JobRecord:
    """A waiting job ends before it began."""
    return changed(job, state=JobState.STOPPED, reason=reason, ended_s=now_s, position=0)


def without_workers(array: JobRecord, last: JobRecord) -> JobRecord:
    """The last worker of an array has ended before all of its tasks had a result: nobody is left to take the others."""
    state, exit_code = last.state, last.exit_code
    if state is JobState.SUCCEEDED:
        state, exit_code = JobState.FAILED, 1
    reason = f"no worker is left for its tasks, the last: {last.reason or last.state}"
    if state is JobState.REFUSED:  # as they all were
        reason = last.reason
    return changed(array, state=state, reason=reason, exit_code=exit_code, ended_s=last.ended_s)


def refused(job: JobRecord, reason: str, now_s: float) -> JobRecord:
    """No pool can ever give what it asks for."""
    return changed(job, state=JobState.REFUSED, reason=reason, ended_s=now_s, position=0)


def _ended(job: JobRecord, attempt: AttemptRecord, now_s: float) -> Both:
    """The verdict, when the last of its nodes has ended."""
    if not _have_all_ended(attempt):
        return job, attempt
    exit_code = next((code for code in attempt.exits.values() if code), None if attempt.lost else 0)
    attempt = changed(attempt, state=AttemptState.ENDED, ended_s=now_s)
    over_s = attempt.ran_until_s or now_s
    ran_s = job.ran_s + max(0.0, over_s - (attempt.started_s or over_s))
    job = changed(job, exit_code=exit_code, ran_s=ran_s, speeds=told.speeds_of(job, attempt))
    if exit_code == 0:
        return changed(job, state=JobState.SUCCEEDED, reason="", ended_s=over_s), attempt
    if attempt.why in (Why.STOPPED, Why.OVER_TIME, Why.IDLE):
        return changed(job, state=JobState.STOPPED, reason=attempt.reason, ended_s=over_s), attempt
    if attempt.why in (Why.PREEMPTED, Why.RESIZED):
        return changed(job, state=JobState.WAITING, reason=attempt.reason, eligible_s=now_s), attempt
    if attempt.lost:
        return _after_loss(job, attempt, now_s), attempt
    return _after_failure(job, attempt.reason, over_s), attempt


def _ran_until_s(attempt: AttemptRecord, over_s: float) -> float:
    """With the ranks of another member over; nothing ran before it began."""
    return max(over_s, attempt.ran_until_s or attempt.started_s or attempt.placed_s)


def _have_all_ended(attempt: AttemptRecord) -> bool:
    return len(attempt.exits) + len(attempt.lost) == len(attempt.shares)


def _after_loss(job: JobRecord, attempt: AttemptRecord, now_s: float) -> JobRecord:
    nodes = ", ".join(attempt.nodes[member] for member in attempt.lost)
    num_lost = job.num_lost + 1
    if num_lost > _MOST_LOST:
        reason = f"lost its node {_MOST_LOST} times, last {nodes}"
        return changed(job, state=JobState.FAILED, reason=reason, num_lost=num_lost, ended_s=now_s)
    eligible_s = now_s + (0.0 if num_lost <= _LOST_AT_ONCE else min(_LONGEST_PAUSE_S, 2.0 ** (num_lost - 1)))
    reason = attempt.reason if attempt.why is Why.LOST else f"lost {nodes}"
    return changed(job, state=JobState.WAITING, reason=reason, num_lost=num_lost, eligible_s=eligible_s)


def _after_failure(job: JobRecord, reason: str, over_s: float) -> JobRecord:
    """Its launcher tried as often as it may, in place; another place would not help."""
    return changed(job, state=JobState.FAILED, reason=reason, ended_s=over_s)
