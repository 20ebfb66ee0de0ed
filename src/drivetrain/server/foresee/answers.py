"""Values -> an answer, in a bounded time: what cannot be known by then is said so, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from msgspec import structs

from drivetrain.compute.controller.states import JobState
from drivetrain.compute.learn.line_rate import rate_waits
from drivetrain.compute.learn.run_times import History
from drivetrain.compute.learn.waiting import HORIZON_S, Estimate, estimate, play_waits
from drivetrain.compute.learn.what_if import Outlook, outlook, parse_change, with_more
from drivetrain.compute.policy import budget
from drivetrain.compute.policy.periods import ends_s
from drivetrain.compute.policy.plan import plan
from drivetrain.compute.policy.values import Decision, Refuse, Running, Snapshot, Start, Wait, Waiting
from drivetrain.core.units import count_text
from drivetrain.server.foresee import words
from drivetrain.server.foresee.present import Present

FEWEST_PLAYS = 5
LEAST_FRONT, MOST_FRONT, BEHIND = 50, 300, 200
IsOver = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitAnswer:
    """Why a job waits, and how long it may.

    Attributes:
      job, attempt: which; of an array, of that worker of it which is first in line.
      asked_s: when, since the epoch.
      reason, position: as the policy says now.
      p10_s, p50_s, p90_s: from `asked_s` to its start; None where `why_not` says why nothing can be said.
      low_s, high_s: the interval before it was corrected by how true past ones came.
      num_plays: that came to their end.
      is_coarse: whether it goes by the rate of the line alone, which was too long to be played forward.
      num_runs: that are known like the one that holds devices now of which the fewest are known.
      late_s: for how long what was told at first has been over.
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
    is_coarse: bool = False
    num_runs: int | None = None
    late_s: float = 0.0
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
        return _not_in_line(present, job)
    decisions = plan(present.snapshot, present.now_s)
    decision = next(d for d in decisions if isinstance(d, Start | Wait | Refuse) and d.job == name)
    attempt = f"{name}.{present.world.jobs[name].num_attempts}"
    position = decision.position if isinstance(decision, Wait) else 0
    answer = WaitAnswer(job=name, attempt=attempt, asked_s=present.now_s, reason=decision.reason, position=position)
    if isinstance(decision, Refuse):
        return _worded(replace(answer, why_not="no pool can ever give what it asks for"))
    whose, num_runs = _least_known(present.snapshot.running, present.world.history)
    if isinstance(decision, Start):
        found = replace(answer, p10_s=0.0, p50_s=0.0, p90_s=0.0)
    else:
        found = replace(_estimated(answer, present, decisions, is_over), num_runs=num_runs)
    return _worded(_late(found, present), words.learned(num_runs, whose), _too_long(present))


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


def _not_in_line(present: Present, job: str) -> WaitAnswer:
    """What is to be said of a job that was asked for as it left the line, or of an array without a worker there."""
    record = present.world.jobs.get(job)
    if record is None or record.state is not JobState.WAITING:
        why_not = "it has just left the line"
    elif record.job.array:
        why_not = "none of its workers waits at this moment"
    else:
        why_not = "it comes into line at the next plan"
    reason = record.reason if record else ""
    return _worded(WaitAnswer(job=job, attempt="", asked_s=present.now_s, reason=reason, position=0, why_not=why_not))


def _estimated(answer: WaitAnswer, present: Present, decisions: Sequence[Decision], is_over: IsOver) -> WaitAnswer:
    """By plays; where too few come to their end in time, by the rate of the line."""
    front, behind = _line(present.snapshot, decisions, answer.position + BEHIND)
    now_s, history, seed = present.now_s, present.world.history, int(present.now_s)
    waits = play_waits(front, now_s, answer.job, history, present.recent, seed=seed, behind=behind, is_over=is_over)
    answer = replace(answer, num_plays=len(waits))
    if len(waits) < FEWEST_PLAYS:
        line = (*front.waiting, *behind)
        place = next(at for at, job in enumerate(line) if job.job == answer.job)
        waits = rate_waits(present.snapshot, now_s, line[:place], line[place].team, history, seed=seed)
        answer = replace(answer, is_coarse=True)
    num_ahead = answer.position - 1
    alone, told = (
        _not_before(estimate(waits, num_ahead, past), _anew_in_s(present, answer.job), waits)
        for past in (None, present.past)
    )
    if told.p50_s >= HORIZON_S:
        why_not = f"it starts in most plays not within {HORIZON_S / 86400:.0f} days"
        return replace(answer, why_not=why_not + _others(present))
    return replace(answer, p10_s=told.p10_s, p50_s=told.p50_s, p90_s=told.p90_s, low_s=alone.p10_s, high_s=alone.p90_s)


def _others(present: Present) -> str:
    """Where jobs that are not ours have devices, how many: in plays they keep them."""
    num = sum(node.others_gpus for node in present.world.nodes.values())
    return f" while others keep {count_text(num, 'device')}, until when is not known here" if num else ""


def _anew_in_s(present: Present, job: str) -> float:
    """How long the budget of a job's team is spent for; 0 where it is not."""
    team = next(waiting.team for waiting in present.snapshot.waiting if waiting.job == job)
    over = budget.spent(present.snapshot).get(team)
    return ends_s(over.per, present.now_s) - present.now_s if over else 0.0


def _not_before(found: Estimate, least_s: float, waits: Sequence[float]) -> Estimate:
    """Where no play had it start before a budget begins anew, it does not: that moment is known."""
    if min(waits) < least_s:
        return found
    return Estimate(*(max(least_s, each_s) for each_s in (found.p10_s, found.p50_s, found.p90_s)))


def _least_known(running: Sequence[Running], history: History) -> tuple[str, int]:
    """Of what runs, the job like which the fewest have ended, and how many; nobody where nothing runs."""
    num, job = min(((history.num_like(job), job.job) for job in running), default=(0, ""))
    return job, num


def _late(answer: WaitAnswer, present: Present) -> WaitAnswer:
    told = present.told.get(answer.attempt)
    if told is None or answer.p50_s is None:
        return answer
    return replace(answer, late_s=max(0.0, answer.asked_s - told.by_s))


def _too_long(present: Present) -> str:
    """Of what runs, the job that is furthest past what nine of ten like it take; empty where none is."""
    past = []
    for job in present.snapshot.running:
        ran_s = present.now_s - job.started_s
        usual = present.world.history.given(job, 0.0)
        if usual is not None and ran_s > max(usual.p90_s, 1.0):
            past.append((ran_s / max(usual.p90_s, 1.0), job.job))
    return max(past)[1] if past else ""


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
    return structs.replace(snapshot, waiting=tuple(line[:front])), tuple(line[front:])


def _worded(answer: WaitAnswer, learned: str = "", longer: str = "") -> WaitAnswer:
    if answer.p10_s is None or answer.p50_s is None or answer.p90_s is None:
        return replace(answer, text="; ".join(filter(None, (answer.reason, f"no estimate: {answer.why_not}"))))
    said = [answer.reason]
    if answer.late_s >= 1:
        said.append(words.late(answer.asked_s, answer.asked_s - answer.late_s, longer))
    if answer.p90_s < 1:
        said.append("expected start now")
    else:
        said.append(words.interval(answer.asked_s, Estimate(answer.p10_s, answer.p50_s, answer.p90_s)))
        said.append("coarsely, by how fast the line moves" if answer.is_coarse else "")
        said.append(learned)
    return replace(answer, text="; ".join(filter(None, said)))
