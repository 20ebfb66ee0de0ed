"""Jobs in line, by kind."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from drivetrain.compute.controller.line import Line
from drivetrain.compute.controller.states import JobRecord, JobState
from drivetrain.compute.job import Job

STATES = (JobState.WAITING, JobState.WAITING, JobState.RUNNING, JobState.SUCCEEDED)


def record(name: str, submitted_s: float, state: JobState = JobState.WAITING, gpus: int = 1) -> JobRecord:
    job = Job(command=("true",), gpus=gpus)
    return JobRecord(id=name, job=job, user="ana", team="maps", run="run", state=state, submitted_s=submitted_s)


def test_the_oldest_of_each_kind_come_first() -> None:
    line = Line()
    for job in (record("c", 3.0), record("a", 1.0), record("b", 2.0), record("d", 0.5, gpus=8)):
        line.put(job)
    assert sorted(line.first(2)) == ["a", "b", "d"]
    assert sorted(line.first()) == ["a", "b", "c", "d"]


def test_who_does_not_count_keeps_nobody_of_its_kind_from_being_told_of() -> None:
    line = Line()
    for job in (record("a", 1.0), record("b", 2.0), record("c", 3.0)):
        line.put(job)
    assert line.first(1, counts=lambda job_id: job_id != "a") == ["b"]
    assert [line.is_among_first(name, 2) for name in ("a", "b", "c", "gone")] == [True, True, False, False]


def test_a_kind_is_asked_for_again_only_where_all_that_were_told_of_go_and_more_wait() -> None:
    line = Line()
    for job in (
        record("a", 1.0),
        record("b", 2.0),
        record("c", 3.0),
        record("d", 1.0, gpus=8),
        record("e", 2.0, gpus=8),
    ):
        line.put(job)
    assert line.are_followed(["a", "b"], 2)
    assert not line.are_followed(["a", "d"], 2)
    assert not line.are_followed(["d", "e"], 2)
    assert not line.are_followed([], 2)


def test_who_waits_again_is_as_old_as_it_was() -> None:
    line = Line()
    old, young = record("old", 1.0), record("young", 2.0)
    for job in (old, young, replace(old, state=JobState.RUNNING), replace(old, state=JobState.WAITING)):
        line.put(job)
    assert line.first(1) == ["old"]


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(STATES), st.integers(1, 2)), max_size=30))
def test_in_line_are_those_that_wait_and_nobody_else(puts: list[tuple[int, JobState, int]]) -> None:
    line, now = Line(), {}
    for number, state, gpus in puts:
        name = f"job{number}"
        known = now.get(name) or record(name, float(number), gpus=gpus)
        now[name] = replace(known, state=state)
        line.put(now[name])
    waiting = sorted(name for name, job in now.items() if job.state is JobState.WAITING)
    assert sorted(line.first()) == waiting
    assert len(line) == len(waiting)
