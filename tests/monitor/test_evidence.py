from __future__ import annotations

from drivetrain.ledger import Event
from drivetrain.monitor import Death, evidence_of
from drivetrain.monitor.evidence import Ruined


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


def test_a_run_that_somebody_ended_was_stopped_until_it_goes_on_and_who_ended_for_it_is_no_failure() -> None:
    ended = [_event("start", 0), _event("stop"), _event("exit", 0, code=-15)]
    assert evidence_of(ended).was_stopped
    assert not evidence_of(ended).deaths
    assert not evidence_of([*ended, _event("start", 0)]).was_stopped


def test_the_interval_between_checkpoints_is_the_median_and_redone_ones_count_once() -> None:
    events = [_event("commit", step=step) for step in (20, 40, 40, 60, 75)]
    assert evidence_of(events).commit_every_steps == 20
    assert evidence_of(events).num_commits == 5
    assert evidence_of(events[:1]).commit_every_steps is None


def test_hung_ranks_are_listed() -> None:
    assert evidence_of([_event("hang", of_rank=3)]).hung_ranks == (3,)


def test_a_metric_that_never_is_finite_again_is_ruined_from_its_first_such_step() -> None:
    nan = float("nan")
    curve = {"loss": [1.0, nan, 0.9, nan, nan, nan], "rate": [0.1] * 6, "norm": [1.0, 2.0, 1.0, 1.0, 1.0, nan]}
    logs = [
        Event("log", "host", 0, 0, 0, step=10 * at, values={name: values[at] for name, values in curve.items()})
        for at in range(6)
    ]
    assert evidence_of(logs).ruined == (Ruined("loss", 30, 50),)
    again = [Event("log", "host", 0, 0, 0, step=step, values={"loss": 0.5}) for step in (30, 40, 50)]
    assert evidence_of([*logs, *again]).ruined == (), "they were done again, and well"
