"""Jobs that have had their time, or do nothing with what they hold."""

from __future__ import annotations

from collections.abc import Iterable

from drivetrain.compute.policy.values import Running, Stop
from drivetrain.core.units import NS_PER_S, duration_text


def stops(running: Iterable[Running], now_s: float) -> list[Stop]:
    """Who is to end now, and why."""
    found = []
    for job in running:
        reason = "" if job.leaving else _over_time(job, now_s) or _idle(job, now_s)
        if reason:
            found.append(Stop(job.job, job.grace_s, reason))
    return found


def _over_time(job: Running, now_s: float) -> str:
    if job.max_runtime_s is None or now_s - job.started_s < job.max_runtime_s:
        return ""
    return f"it has run for {_text(now_s - job.started_s)}, and was to end after {_text(job.max_runtime_s)}"


def _idle(job: Running, now_s: float) -> str:
    idle_s = now_s - max(job.progress_s, job.started_s)
    if job.idle_after_s is None or idle_s < job.idle_after_s:
        return ""
    limit = f"it gives them up after {_text(job.idle_after_s)}"
    return f"no step and no use of its devices for {_text(idle_s)}; {limit}"


def _text(seconds: float) -> str:
    return duration_text(round(seconds * NS_PER_S))
