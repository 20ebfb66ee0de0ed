"""Values -> an answer, in a bounded time: what cannot be known by then is said so, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from drivetrain.compute.learn.waiting import HORIZON_S, Estimate, estimate, play_waits
from drivetrain.compute.learn.what_if import Outlook, outlook, parse_change, with_more
from drivetrain.compute.policy.plan import plan
from drivetrain.compute.policy.values import Decision, Refuse, Snapshot, Start, Wait, Waiting
from drivetrain.core.units import count_text
from drivetrain.server.foresee.present import Present

FEWEST_PLAYS = 5
LEAST_FRONT, MOST_FRONT, BEHIND = 50, 300, 200
_SHORT_S = 1800.0
IsOver = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitAnswer:
    """Why a job waits, and how long it may.

    Attributes:
      job, attempt: which; of an array, of that worker of it which is first in line.
      asked_s: when, since the epoch.
      reason, position: as the policy says now.
      p10_s, p50_s, p90_s: from `asked_s` to its start; None where `why_not` says why nothing can be said.
      low_s, high_s: the interval of the plays alone, before it was corrected by how true past ones came.
      num_plays: that came to their end.
      text: all of it, for people.
    """

    job: str
    attempt: str
    asked_s: float
    reason: str
    position: int
    p10_s: float | None = None
    p50_s: float | None = None
    p90_s: float | None = None
    low_s: float | None = None
    high_s: float | None = None
    num_plays: int = 0
    why_not: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class WhatIfAnswer:
    """The fleet as it is and as it would be. Attributes: over_s: how far it was played."""

    asked_s: float
    over_s: float
    added: tuple[str, ...]
    now: Outlook
    then: Outlook


def wait_answer(present: Present, job: str, is_over: IsOver) -> WaitAnswer:
    """Of a job, or of an array's first worker."""
    name = _in_line(present.snapshot, job)
    if name is None:
        why_not = "it is not in line at this moment"
        return _worded(WaitAnswer(job=job, attempt="", asked_s=present.now_s, reason="", position=0, why_not=why_not))
    decisions = plan(present.snapshot, present.now_s)
    decision = next(d for d in decisions if isinstance(d, Start | Wait | Refuse) and d.job == name)
    attempt = f"{name}.{present.world.jobs[name].num_attempts}"
    position = decision.position if isinstance(decision, Wait) else 0
    answer = WaitAnswer(job=name, attempt=attempt, asked_s=present.now_s, reason=decision.reason, position=position)
    if isinstance(decision, Start):
        return _worded(replace(answer, p10_s=0.0, p50_s=0.0, p90_s=0.0))
    if isinstance(decision, Refuse):
        return _worded(replace(answer, why_not="no pool can ever give what it asks for"))
    if present.world.history.is_empty:
        return _worded(replace(answer, why_not="no job has ended here yet, so nothing is known of how long they run"))
    front, behind = _line(present.snapshot, decisions, position + BEHIND)
    plays = play_waits(
        front,
        present.now_s,
        name,
        present.world.history,
        present.recent,
        seed=int(present.now_s),
        behind=behind,
        is_over=is_over,
    )
    return _worded(_estimated(answer, plays, present))


def what_if_answer(present: Present, changes: Sequence[str], over_s: float, is_over: IsOver) -> WhatIfAnswer:
    """Both are played with the same draws. Raises: UsageError: no such change, or no time to play it."""
    more = present.snapshot
    for change in changes:
        more = with_more(more, *parse_change(change))
    history, recent = present.world.history, present.recent
    now, then = (
        outlook(fleet, present.now_s, history, recent, over_s=over_s, is_over=is_over)
        for fleet in (present.snapshot, more)
    )
    return WhatIfAnswer(present.now_s, over_s, tuple(changes), now, then)


def _estimated(answer: WaitAnswer, plays: Sequence[float], present: Present) -> WaitAnswer:
    answer = replace(answer, num_plays=len(plays))
    if len(plays) < FEWEST_PLAYS:
        snapshot = present.snapshot
        size = (
            f"{count_text(len(snapshot.waiting), 'waiting job')} and {count_text(len(snapshot.running), 'running one')}"
        )
        return replace(answer, why_not=f"{size} are too much to play forward in a few seconds")
    alone, told = estimate(plays), estimate(plays, present.past)
    if told.p50_s >= HORIZON_S:
        return replace(answer, why_not=f"it starts in most plays not within {HORIZON_S / 86400:.0f} days")
    return replace(answer, p10_s=told.p10_s, p50_s=told.p50_s, p90_s=told.p90_s, low_s=alone.p10_s, high_s=alone.p90_s)


def _in_line(snapshot: Snapshot, job: str) -> str | None:
    """Itself, or the worker of the array that came first."""
    names = [waiting.job for waiting in snapshot.waiting]
    if job in names:
        return job
    return min((name for name in names if name.startswith(f"{job}-")), default=None)


def _line(snapshot: Snapshot, decisions: Sequence[Decision], last: int) -> tuple[Snapshot, tuple[Waiting, ...]]:
    """The front of the line and who comes up behind it; those are left out who stand too far behind to matter."""
    place = {decision.job: decision.position for decision in decisions if isinstance(decision, Wait)}
    line = sorted(
        (job for job in snapshot.waiting if place.get(job.job, 0) <= last), key=lambda job: place.get(job.job, 0)
    )
    front = min(max(len(snapshot.nodes), LEAST_FRONT), MOST_FRONT)
    return replace(snapshot, waiting=tuple(line[:front])), tuple(line[front:])


def _worded(answer: WaitAnswer) -> WaitAnswer:
    if answer.p10_s is None or answer.p50_s is None or answer.p90_s is None:
        expected = f"no estimate: {answer.why_not}"
    elif answer.p90_s < 1:
        expected = "expected start now"
    else:
        expected = _interval(answer.asked_s, Estimate(answer.p10_s, answer.p50_s, answer.p90_s))
    return replace(answer, text="; ".join(filter(None, (answer.reason, expected))))


def _interval(now_s: float, found: Estimate) -> str:
    """Such as `expected start 14:20 UTC, 8 times of 10 between 14:05 and 14:50`."""
    low, middle, high = (
        _clock(now_s, now_s + wait_s, to_the_second=found.p90_s < _SHORT_S)
        for wait_s in (found.p10_s, found.p50_s, found.p90_s)
    )
    return f"expected start {middle} UTC, 8 times of 10 between {low} and {high}"


def _clock(now_s: float, at_s: float, *, to_the_second: bool) -> str:
    now, at = (datetime.fromtimestamp(seconds, tz=UTC) for seconds in (now_s, at_s))
    day = "" if now.date() == at.date() else "%Y-%m-%d "
    return at.strftime(f"{day}%H:%M:%S" if to_the_second else f"{day}%H:%M")
