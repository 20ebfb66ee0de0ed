from __future__ import annotations

from drivetrain.ledger import Event
from drivetrain.monitor import Death, evidence_of


def _event(kind: str, rank: int | None = None, *, step: int = 0, code: int = 0, of_rank: int = -1) -> Event:
    return Event(kind, "host", 0, 0, rank, step=step, code=code, of_rank=of_rank)


def test_only_the_first_failure_of_an_attempt_is_a_death() -> None:
    events = [
        *(_event("start", rank) for rank in (0, 1)),
        _event("step_begin", 1, step=48),
        _event("exit", 1, code=-9),
        _event("exit", 0, code=-15),  # stopped by the supervisor because of the first
        *(_event("start", rank) for rank in (0, 1)),
        _event("exit", 0, code=1),
    ]
    assert evidence_of(events).deaths == (Death(1, -9, 48), Death(0, 1, None))
    assert not evidence_of(events).has_finished


def test_a_run_has_finished_when_the_processes_started_last_ended_well() -> None:
    failed = [_event("start", 0), _event("exit", 0, code=1)]
    well = [_event("start", 0), _event("exit", 0)]
    assert evidence_of([*failed, *well]).has_finished
    assert not evidence_of([*well, *failed]).has_finished
    assert not evidence_of([_event("start", 0)]).has_finished


def test_the_interval_between_checkpoints_is_the_median_and_redone_ones_count_once() -> None:
    events = [_event("commit", step=step) for step in (20, 40, 40, 60, 75)]
    assert evidence_of(events).commit_every_steps == 20
    assert evidence_of(events).num_commits == 5
    assert evidence_of(events[:1]).commit_every_steps is None


def test_hung_ranks_are_listed() -> None:
    assert evidence_of([_event("hang", of_rank=3)]).hung_ranks == (3,)
